import { Agent, request } from "undici";
import type { Sample } from "./measure.ts";
import { serveCommands } from "./worker-process.ts";

/**
 * The least that polling costs: undici's `request` in a loop, the answer parsed, nothing decided
 * and nothing remembered.
 */

interface RawPollRun {
  readonly origin: string;
  readonly jobs: number;
  readonly concurrency: number;
  readonly durationMs: number;
}

const commands = { run };
export type RawPollCommands = typeof commands;

serveCommands(commands);

async function run({ origin, jobs, concurrency, durationMs }: RawPollRun): Promise<Sample> {
  const dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
  const urls = Array.from({ length: jobs }, (_, job) => `${origin}/job/bench-${job}`);
  const headers = { accept: "application/json", "x-api-key": "bench" };
  const before = process.cpuUsage();
  const startedAt = performance.now();
  let running = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() - startedAt < durationMs) {
      const url = urls[running % jobs] ?? origin;
      const { body } = await request(url, { dispatcher, headers });
      const answer = (await body.json()) as { status: string };
      if (answer.status !== "processing") throw new Error(`Unexpected status ${answer.status}.`);
      running += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(before);
  await dispatcher.close();
  return { operations: running, elapsedMs, cpuMs: (user + system) / 1000 };
}
