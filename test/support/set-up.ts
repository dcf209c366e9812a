import { resolveImportsOnce } from "../../src/runtime/process/module-loading.ts";

// Most test files load the package.
resolveImportsOnce();
