// Serves a worker in Cloudflare's own runtime: bundles the example that it is given, and starts workerd with it.
import { buildSync } from "esbuild";
import { Miniflare } from "miniflare";

const { outputFiles } = buildSync({
  entryPoints: [process.argv[2]],
  bundle: true,
  format: "esm",
  conditions: ["workerd", "worker"],
  write: false,
});

const worker = new Miniflare({
  modules: true,
  script: outputFiles[0].text,
  compatibilityDate: "2026-01-01",
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  bindings: { WEBHOOK_SECRET: process.env.WEBHOOK_SECRET },
  handleRuntimeStdio(stdout, stderr) {
    stdout.pipe(process.stdout);
    stderr.pipe(process.stderr);
  },
});
process.on("SIGTERM", () => void worker.dispose().then(() => process.exit()));
await worker.ready;
