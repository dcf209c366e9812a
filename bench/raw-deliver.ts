import { createHmac } from "node:crypto";
import { Agent, request } from "undici";
import type { Sample } from "./measure.ts";
import { serveCommands } from "./worker-process.ts";

/** The least that delivering costs: sign and POST in a loop, nothing recorded. */

interface RawDeliverRun {
  readonly origins: readonly string[];
  readonly bodyBytes: number;
  readonly concurrency: number;
  readonly deliveries: number;
}

const commands = { run };
export type RawDeliverCommands = typeof commands;

serveCommands(commands);

async function run(options: RawDeliverRun): Promise<Sample> {
  const { origins, bodyBytes, concurrency, deliveries } = options;
  const dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
  const key = Buffer.alloc(32, 7);
  const before = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < deliveries) {
      const number = (next += 1);
      const id = `msg_${number}`;
      const timestamp = String(Math.floor(Date.now() / 1000));
      const body = bodyOf(number, bodyBytes);
      const signature = createHmac("sha256", key)
        .update(`${id}.${timestamp}.${body}`)
        .digest("base64");
      const answer = await request(`${origins[number % origins.length]}/hooks`, {
        dispatcher,
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "webhook-id": id,
          "webhook-timestamp": timestamp,
          "webhook-signature": `v1,${signature}`,
        },
      });
      await answer.body.dump();
      if (answer.statusCode !== 204) throw new Error(`Unexpected status ${answer.statusCode}.`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(before);
  await dispatcher.close();
  return { operations: deliveries, elapsedMs, cpuMs: (user + system) / 1000 };
}

function bodyOf(number: number, bytes: number): string {
  const event = (filler: string): string =>
    JSON.stringify({ type: "job.completed", data: { job_id: `job-${number}`, result: filler } });
  return event("x".repeat(Math.max(0, bytes - event("").length)));
}
