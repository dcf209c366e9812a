import { afterAll, beforeAll, expect, it } from "vitest";
import { ProjectUsage } from "../../src/intake/project-usage.ts";
import { testRuntime } from "../support/runtime.ts";
import { ApiFixture, type Json } from "./api-fixture.ts";

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

async function message(result: string): Promise<void> {
  const { id } = await api.subscribe({ callback_url: undefined, inbox: "orders" });
  await api.end(id, { result });
}

async function read(): Promise<Json> {
  return (await api.request("GET", "/v1/inboxes/orders/messages?consumer=worker")).json();
}

it("unread bytes of inboxes reach a limit that holds back subscriptions to inboxes alone, until they are acknowledged", async () => {
  const result = JSON.stringify("x".repeat(50_000));
  await message(result);
  await read();
  const one = await countAgain();
  expect(one).toBeGreaterThan(50_000);
  expect(one).toBeLessThan(60_000);
  api.limits.own.set(api.projectId, { inbox_unread_bytes: 100_000 });
  expect(usage.reached(api.projectId, true)).toBeNull();
  await message(result);
  const { cursor } = await read();
  expect(await countAgain()).toBeGreaterThanOrEqual(2 * 50_000);
  expect(usage.reached(api.projectId, true)).toBe("inbox_unread_bytes");
  expect(usage.reached(api.projectId, false)).toBeNull();
  const inbox: Json = await (await api.request("GET", "/v1/inboxes/orders")).json();
  expect(inbox.unread_bytes).toBeGreaterThanOrEqual(2 * 50_000);
  // What is only read counts on; what is acknowledged does not.
  await api.request("POST", "/v1/inboxes/orders/consumers/worker/ack", { body: { cursor } });
  expect(await countAgain()).toBe(0);
  expect(usage.reached(api.projectId, true)).toBeNull();
});
