import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { callbackBody, testEventBody } from "../../src/core/delivery/event.ts";
import { operationalEventBody } from "../../src/core/delivery/operational-event.ts";
import { signCallback, signingKey } from "../../src/delivery/attempt/sign.ts";
import { unusedPort } from "./ports.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STARTED_WITHIN_MS = 60_000;
const ASK_AGAIN_MS = 50;

/** The responses and the output of an example receiver. */
export interface ExampleTrial {
  /** Its answers to a job event, the same once more, an operational event, a test event, and a forged job event. */
  readonly statuses: readonly number[];
  readonly printed: string;
}

/** How a receiver of `examples/` is run. */
export interface ExampleCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

const AT = "2026-01-01T00:00:00.000Z";

const JOB_EVENT = callbackBody(
  {
    type: "job.completed",
    occurredAtMs: Date.parse(AT),
    jobId: "job-1",
    provider: "pulse",
    createdAt: null,
    updatedAt: null,
    error: null,
    result: '{"decimal":1.10,"integer":12345678901234567890,"text":"f\\u00fcr a/b 🙂"}',
    progress: null,
    resultFetch: null,
  },
  { subscriptionId: "sub_1", metadata: '{"n":1e400}', fetchResult: false },
  null,
);
const OPERATIONAL_EVENT = operationalEventBody({
  type: "connection.paused",
  occurredAtMs: Date.parse(AT),
  occurrences: 1,
  data: '{"reason":"HTTP 401"}',
});

/** Runs a receiver as a process, sends it one event of each kind as the gateway would, and ends it. */
export async function tryExample({ command, args, cwd }: ExampleCommand): Promise<ExampleTrial> {
  const port = await unusedPort();
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: SECRET },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const printed = text(child.stdout);
  const gone = once(child, "exit");
  try {
    const url = `http://127.0.0.1:${port}/hook`;
    await untilItListens(url, () => child.exitCode !== null);
    const statuses = [
      await post(url, "msg_1", JOB_EVENT),
      await post(url, "msg_1", JOB_EVENT),
      await post(url, "msg_2", OPERATIONAL_EVENT),
      await post(url, "msg_3", testEventBody(Date.now())),
      await post(url, "msg_4", JOB_EVENT, JOB_EVENT.replace("job-1", "job-2")),
    ];
    child.kill();
    return { statuses, printed: await printed };
  } finally {
    child.kill();
    await gone;
  }
}

/** @param sent another body than the one that is signed */
async function post(url: string, id: string, body: string, sent = body): Promise<number> {
  const timestampS = Math.floor(Date.now() / 1000);
  const answer = await request(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "Ringback/0.0.0",
      "webhook-id": id,
      "webhook-timestamp": String(timestampS),
      "webhook-signature": signCallback([signingKey("v1", SECRET)], id, timestampS, body),
    },
    body: sent,
  });
  await answer.body.dump();
  return answer.statusCode;
}

async function untilItListens(url: string, isGone: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + STARTED_WITHIN_MS;
  for (;;) {
    try {
      await (await request(url)).body.dump();
      return;
    } catch (error) {
      if (isGone() || performance.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }
}
