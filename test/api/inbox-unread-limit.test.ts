import { afterAll, beforeAll, expect, it } from "vitest";
import { ProjectUsage } from "../../src/intake/project-usage.ts";
import { testRuntime } from "../support/runtime.ts";
import { ApiFixture, type Json } from "./api-fixture.ts";

/** Size of each message's metadata. */
const BYTES = 3_500;

let api: ApiFixture;
let usage: ProjectUsage;

beforeAll(async () => {
  api = await ApiFixture.open();
  usage = new ProjectUsage(testRuntime({ clock: api.clock }), {
    database: api.database,
    limits: api.limits,
    inlineResultBytesMax: 1024 * 1024,
    shards: { has: () => true },
  });
});
afterAll(() => api.close());

async function countAgain(): Promise<number> {
  api.clock.advance(60_000);
  await usage.refresh();
  return api.limits.used(api.projectId, "inbox_unread_bytes") ?? 0;
}

async function message(): Promise<void> {
  const metadata = { text: "x".repeat(BYTES) };
  const { id } = await api.subscribe({ callback_url: undefined, inbox: "orders", metadata });
  await api.end(id, { result: "1" });
}

async function read(): Promise<Json> {
  return (await api.request("GET", "/v1/inboxes/orders/messages?consumer=worker")).json();
}

it("unread bytes of inboxes reach a limit that holds back subscriptions to inboxes alone, until they are acknowledged", async () => {
  await message();
  await read();
  const one = await countAgain();
  expect(one).toBeGreaterThan(BYTES);
  expect(one).toBeLessThan(2 * BYTES);
  api.limits.own.set(api.projectId, { inbox_unread_bytes: 2 * BYTES });
  expect(usage.reached(api.projectId, true)).toBeNull();
  await message();
  const { cursor } = await read();
  expect(await countAgain()).toBeGreaterThanOrEqual(2 * BYTES);
  expect(usage.reached(api.projectId, true)).toBe("inbox_unread_bytes");
  expect(usage.reached(api.projectId, false)).toBeNull();
  const inbox: Json = await (await api.request("GET", "/v1/inboxes/orders")).json();
  expect(inbox.unread_bytes).toBeGreaterThanOrEqual(2 * BYTES);
  // Messages that are read still count; acknowledged messages don't.
  await api.request("POST", "/v1/inboxes/orders/consumers/worker/ack", { body: { cursor } });
  expect(await countAgain()).toBe(0);
  expect(usage.reached(api.projectId, true)).toBeNull();
});
