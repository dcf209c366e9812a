import { resolveImportsOnce } from "../../src/runtime/process/import-resolution.ts";

// Most test files load the package.
resolveImportsOnce();
