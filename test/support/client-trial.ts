import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { startTemporaryGateway } from "../../src/sandbox/temporary-gateway.ts";
import { unusedPort } from "./ports.ts";

const TRIAL_MS_MAX = 120_000;
const ASK_AGAIN_MS = 100;
/** The files that a trial runs, beside the installed package. */
export const CLIENT_FILES = ["client-program.mjs", "client-main.mjs"];
const EXPECTED = "job.completed 17 1 not_found";

/** How a program that uses the client is run; one that serves runs it for each request. */
export interface ClientCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly serves: boolean;
}

/**
 * Runs a program that submits, watches, waits, lists and is refused, against a gateway with a sandbox.
 * @returns null when it went well, otherwise what it said
 */
export async function tryClient(client: ClientCommand): Promise<string | null> {
  const signal = AbortSignal.timeout(TRIAL_MS_MAX);
  const gateway = await startTemporaryGateway({
    env: process.env,
    settings: { RINGBACK_SANDBOX: "1", LOG_LEVEL: "warn" },
    isReady: (url) =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    signal,
  });
  try {
    const said = await run(client, { url: gateway.url, key: gateway.apiKey }, signal);
    return said.trim() === EXPECTED ? null : said;
  } finally {
    await gateway.stop();
  }
}

async function run(
  { command, args, cwd, serves }: ClientCommand,
  { url, key }: { readonly url: string; readonly key: string },
  signal: AbortSignal,
): Promise<string> {
  const port = await unusedPort();
  const env = { PORT: String(port), RINGBACK_URL: url, RINGBACK_API_KEY: key };
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
    signal,
  });
  const gone = once(child, "exit");
  const printed = text(child.stdout);
  if (!serves) return printed;
  try {
    return await ask(`http://127.0.0.1:${port}/?url=${encodeURIComponent(url)}&key=${key}`, signal);
  } finally {
    child.kill();
    await gone;
  }
}

/** Asks until the program listens. */
async function ask(address: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const response = await fetch(address, { signal }).catch(() => null);
    if (response !== null) return response.text();
    await wait(ASK_AGAIN_MS, undefined, { signal });
  }
}
