import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { jobsOwnedBy, startNodePair } from "../support/node-pair.ts";
import {
  breaches,
  connect,
  createProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { within } from "../support/within.ts";

/* Inboxes at two nodes, each of which polls half of the jobs. */

let scene: ProcessScene;
let one: GatewayProcess;
let two: GatewayProcess;
let connection: Json;
let inboxes = 0;
let inbox = "";

beforeAll(async () => {
  scene = await createProcessScene();
  [one, two] = await startNodePair(scene);
  connection = await connect(one, scene.upstream);
});
afterAll(async () => {
  expect(await breaches(scene.sql)).toEqual([]);
  await scene.end();
});

/** Jobs of each node that have ended, with a message of each in a new inbox. */
async function jobsOf(nodes: readonly GatewayProcess[], count: number): Promise<string[]> {
  inboxes += 1;
  inbox = `inbox-${inboxes}`;
  const jobs = await Promise.all(
    nodes.map((node, index) =>
      jobsOwnedBy(node, scene.sql, { id: connection.id, count, prefix: `job-${inboxes}-${index}` }),
    ),
  );
  const jobIds = jobs.flat();
  const fields = { callback_url: undefined, inbox };
  await Promise.all(jobIds.map((jobId) => subscribe(one, scene.receiver, jobId, fields)));
  return jobIds;
}

function end(jobIds: readonly string[]): void {
  for (const jobId of jobIds) scene.upstream.answer(jobId, () => pulseAnswer.completed());
}

async function read(node: GatewayProcess, query = ""): Promise<Json> {
  const answer = await node.api("GET", `/v1/inboxes/${inbox}/messages${query}`);
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body;
}

const jobOf = ({ body }: Json): string => JSON.parse(body).data.job_id;

const waitsAt = (node: GatewayProcess, count: number) =>
  vi.waitFor(async () => expect(await node.metric("ringback_inbox_waits")).toBe(count), {
    timeout: 60_000,
    interval: 20,
  });

/** The events of a stream, until it has given so many or ends. */
async function streamed(
  node: GatewayProcess,
  count: number,
  headers: Record<string, string> = {},
): Promise<{ id: string; message: Json }[]> {
  const response = await fetch(`${node.url}/v1/inboxes/${inbox}/stream`, {
    headers: { authorization: `Bearer ${API_KEY}`, ...headers },
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events: { id: string; message: Json }[] = [];
  let text = "";
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (reader !== undefined && events.length < count) {
    const { done, value = "" } = await reader.read();
    if (done) break;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (id !== undefined && data !== undefined) events.push({ id, message: JSON.parse(data) });
    }
  }
  await reader?.cancel();
  return events.slice(0, count);
}

describe("an inbox at two nodes", { timeout: 240_000 }, () => {
  test("an inbox at two nodes wakes readers at both within a second, and none misses a message", async () => {
    const jobIds = await jobsOf([one, two], 5);
    const seen: string[][] = [[], []];
    const reading = [one, two].map(async (node, index) => {
      let query = "?wait_s=60";
      while ((seen[index]?.length ?? 0) < jobIds.length) {
        const page = await read(node, query);
        seen[index]?.push(...page.data.map(jobOf));
        query = `?wait_s=60&cursor=${page.cursor}`;
      }
    });
    await Promise.all([waitsAt(one, 1), waitsAt(two, 1)]);
    end(jobIds);
    // The upstream is asked every 0.1 s.
    await within(1_100, [one, two], () => {
      for (const ids of seen) expect(ids).toHaveLength(jobIds.length);
    });
    await Promise.all(reading);
    for (const ids of seen) expect(new Set(ids)).toEqual(new Set(jobIds));
    const { data } = await read(two);
    for (const message of data) {
      expect(new Webhook(SIGNING_SECRET).verify(message.body, message.headers)).toBeTruthy();
    }
  });

  test("an inbox refuses a second reader of a consumer at the other node until the first one is answered", async () => {
    const jobIds = await jobsOf([one], 1);
    const first = read(one, "?wait_s=60&consumer=worker");
    await waitsAt(one, 1);
    const busy = await two.api("GET", `/v1/inboxes/${inbox}/messages?consumer=worker`);
    expect(busy.body).toMatchObject({ status: 409, code: "consumer_busy" });
    end(jobIds);
    const { cursor, data } = await first;
    expect(data.map(jobOf)).toEqual(jobIds);
    expect((await read(two, "?consumer=worker")).data).toHaveLength(1);
    const ack = await two.api("POST", `/v1/inboxes/${inbox}/consumers/worker/ack`, { cursor });
    expect(ack.status).toBe(200);
    expect((await read(one, "?consumer=worker")).data).toHaveLength(0);
  });

  test("an inbox stream continues after its last event at another node", async () => {
    const jobIds = await jobsOf([one, two], 4);
    end(jobIds.slice(0, 5));
    const first = await streamed(one, 3);
    end(jobIds);
    const rest = await streamed(two, 5, { "last-event-id": first.at(-1)?.id ?? "" });
    const events = [...first, ...rest];
    expect(new Set(events.map(({ message }) => jobOf(message)))).toEqual(new Set(jobIds));
    for (const { message } of events) {
      expect(new Webhook(SIGNING_SECRET).verify(message.body, message.headers)).toBeTruthy();
    }
    const bad = await fetch(`${one.url}/v1/inboxes/${inbox}/stream`, {
      headers: { authorization: `Bearer ${API_KEY}`, "last-event-id": "7" },
    });
    expect(bad.status).toBe(400);
  });

  test("an inbox answers its readers when a node stops, and keeps everything and each position over a kill", async () => {
    const jobIds = await jobsOf([one, two], 2);
    const page = read(two, "?wait_s=60&consumer=worker");
    const stream = streamed(two, 1);
    await waitsAt(two, 2);
    const { code, output } = await two.stop();
    expect(code).toBe(0);
    expect(output).not.toContain("shutdown timed out");
    expect((await page).data).toEqual([]);
    expect(await stream).toEqual([]);
    end(jobIds);
    const seen: string[] = [];
    let query = "?wait_s=60&consumer=worker";
    while (seen.length < jobIds.length) {
      const next = await read(one, query);
      seen.push(...next.data.map(jobOf));
      query = `?wait_s=60&consumer=worker&cursor=${next.cursor}`;
    }
    expect(new Set(seen)).toEqual(new Set(jobIds));
    const [acknowledged] = (await read(one)).data;
    const ack = `/v1/inboxes/${inbox}/consumers/worker/ack`;
    expect((await one.api("POST", ack, { cursor: acknowledged.cursor })).status).toBe(200);
    await one.crash();
    one = await scene.start();
    two = await scene.start();
    const left = seen.filter((jobId) => jobId !== jobOf(acknowledged));
    for (const node of [one, two]) {
      expect((await read(node, "?consumer=worker")).data.map(jobOf)).toEqual(left);
    }
  });
});
