import { resolveImportsOnce } from "../../src/runtime/process/import-resolution.ts";

// Each test file has a process of its own, and most of them load the package.
resolveImportsOnce();
