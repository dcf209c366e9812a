import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

const DEMO_TIMEOUT_MS = 180_000;

function startDemo(env: NodeJS.ProcessEnv) {
  const demo = spawn(process.execPath, ["src/sandbox/demo.ts"], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(demo, "close") as Promise<[number | null]>;
  let output = "";
  const onOutput = (chunk: Buffer): void => void (output += chunk.toString());
  demo.stdout.on("data", onOutput);
  demo.stderr.on("data", onOutput);
  return {
    result: async () => {
      const [code] = await exited;
      return { code, output };
    },
  };
}

/** Has a program interrupt itself as soon as it prints this, so that it is not further by then. */
function interruptedAt(text: string): string {
  const program = `
    const { log } = console;
    console.log = (line) => {
      log(line);
      if (line.startsWith(${JSON.stringify(text)})) process.kill(process.pid, "SIGINT");
    }`;
  return `--import=data:text/javascript,${encodeURIComponent(program)}`;
}

/** Where a demo's gateway keeps its data; as root its Postgres runs as another user. */
async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "demo-test-"));
  await chmod(directory, 0o711);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe("the demo with a gateway of its own", { timeout: DEMO_TIMEOUT_MS }, () => {
  test("the demo with its own gateway shows a verified callback, exits 0 and leaves nothing behind", async () => {
    const directory = await temporaryDirectory();
    const { output, code } = await startDemo({ TMPDIR: directory }).result();
    expect(output).toContain("its signature is verified");
    expect(output).toContain('"type": "job.completed"');
    expect(code).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  test("the demo stops its gateway and removes its data when it is interrupted", async () => {
    const directory = await temporaryDirectory();
    const NODE_OPTIONS = interruptedAt("2. Subscribed");
    const { output, code } = await startDemo({ TMPDIR: directory, NODE_OPTIONS }).result();
    expect(output).toContain("Stopped by SIGINT.");
    expect(code).toBe(1);
    expect(await readdir(directory)).toEqual([]);
    const [, url = ""] = /It is ready at (\S+)\.\n/.exec(output) ?? [];
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });
});

test("the demo says what is wrong when the gateway has no sandbox, and exits 1", async () => {
  const gateway = createServer((request, response) => {
    response.writeHead(request.url === "/readyz" ? 200 : 404).end("{}");
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void gateway.close());
  await once(gateway, "listening");
  const { port } = gateway.address() as AddressInfo;
  const { output, code } = await startDemo({
    RINGBACK_API_KEY: "rb_test",
    RINGBACK_URL: `http://127.0.0.1:${port}/`,
  }).result();
  expect(output).toContain(`Using the gateway at http://127.0.0.1:${port}.`);
  expect(output).toContain("RINGBACK_SANDBOX=1");
  expect(code).toBe(1);
});
