/* Keeps the gateway's code as Node compiles it, for an image whose every start would be its first. */
import {
  resolveImportsOnce,
  keepCompiled,
  saveCompiled,
} from "../src/runtime/process/module-loading.ts";

keepCompiled();
resolveImportsOnce();
await import("../src/cli/program.ts");
await import("../src/cli/frame/operator.ts");
await import("../src/config.ts");
await import("../src/cli/operator/start.ts");
saveCompiled();
