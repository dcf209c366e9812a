// Serves a worker in Cloudflare's own runtime: bundles the example that it is given, and starts workerd with it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";

const CONDITION = "--conditions=";
const [, , example = ""] = process.argv;
const { PORT = "", WEBHOOK_SECRET = "" } = process.env;
const folder = mkdtempSync(join(tmpdir(), "ringback-workerd-"));
// The module is the path of the program.
const { default: program } = createRequire(import.meta.url)("workerd");

buildSync({
  entryPoints: [example],
  bundle: true,
  format: "esm",
  conditions: ["workerd", "worker", ...ownConditions()],
  outfile: join(folder, "worker.js"),
  logLevel: "warning",
});
writeFileSync(
  join(folder, "worker.capnp"),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "receiver", worker = .receiver),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${PORT}", http = (), service = "receiver")],
);
const receiver :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  bindings = [(name = "WEBHOOK_SECRET", text = ${JSON.stringify(WEBHOOK_SECRET)})],
);
`,
);

/** As Node was given them: inside of the repository the package's source takes the place of what is built. */
function ownConditions() {
  return process.execArgv
    .filter((flag) => flag.startsWith(CONDITION))
    .map((flag) => flag.slice(CONDITION.length));
}

const worker = spawn(program, ["serve", join(folder, "worker.capnp")], { stdio: "inherit" });
process.on("SIGTERM", () => worker.kill());
worker.on("exit", (code) => {
  rmSync(folder, { recursive: true });
  process.exitCode = code ?? 0;
});
