import { readFileSync } from "node:fs";
import { resolveImportsOnce, keepCompiled } from "./runtime/process/module-loading.ts";
import { surviveLostOutput } from "./runtime/process/fatal-errors.ts";

const EXIT_GRACE_MS = 250;

const { version } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

// The driver would read it, and check each server by a statement that nothing waits for: its failure
// would end the process. Which servers will do is for DATABASE_URL to say.
delete process.env["PGTARGETSESSIONATTRS"];

surviveLostOutput();
keepCompiled();
resolveImportsOnce();
// An import above would have been loaded before the two could help with it.
const { runProgram } = await import("./cli/program.ts");
process.exitCode = await runProgram(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
  exit: (code) => process.exit(code),
});
// A library may still hold something open, such as a connection attempt; it must not keep the process alive.
setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
