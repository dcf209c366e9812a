/* Writes docs/reference from the code. A gateway is started for its metrics. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startTemporaryGateway } from "../../src/sandbox/temporary-gateway.ts";
import { referencePages } from "./pages.ts";

const FOLDER = resolve(import.meta.dirname, "../../docs/reference");
const STARTED_WITHIN_MS = 120_000;

const gateway = await startTemporaryGateway({
  env: process.env,
  isReady: (url) =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  signal: AbortSignal.timeout(STARTED_WITHIN_MS),
});
try {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(referencePages(metrics))) {
    writeFileSync(join(FOLDER, name), text);
  }
} finally {
  await gateway.stop();
}
