import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.open();
});
afterEach(async () => {
  api.inboxFeed.beginStopping();
  await api.close();
});

const STREAM = "/v1/inboxes/orders/stream";

async function message(): Promise<string> {
  const { id } = await api.subscribe({ callback_url: undefined, inbox: "orders" });
  const { deliveryId } = await api.end(id, { result: "1" });
  return `msg_${deliveryId?.replaceAll("-", "")}`;
}

/** A stream that is read block by block, as they are asked for. */
class Reading {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    if (response.body === null) throw new Error("The answer has no body.");
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next block, or null at the end. */
  async next(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end !== -1) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return block;
      }
      const { done, value = "" } = await this.#reader.read();
      if (done) return null;
      this.#text += value;
    }
  }

  async message(): Promise<{ id: string; webhookId: string }> {
    const block = (await this.next()) ?? "";
    const id = /^id: (.*)$/m.exec(block)?.[1] ?? "";
    const data: Json = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null");
    return { id, webhookId: data?.webhook_id };
  }

  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

async function open(query = "", headers: Record<string, string> = {}, key?: string) {
  const response = await api.request("GET", STREAM + query, {
    headers,
    ...(key !== undefined && { key }),
  });
  expect(response.status).toBe(200);
  const reading = new Reading(response);
  expect(await reading.next()).toBe("retry: 1000");
  return reading;
}

const untilOpen = (count: number): Promise<void> =>
  vi.waitFor(() => expect(api.limits.used(api.projectId, "requests_waiting")).toBe(count), 60_000);

const untilWaits = (): Promise<void> =>
  vi.waitFor(() => expect(api.inboxFeed.size).toBe(1), 60_000);

describe("GET /v1/inboxes/{name}/stream", () => {
  it("GET /v1/inboxes/{name}/stream sends what is there and what comes, each with its cursor, and goes on behind Last-Event-ID", async () => {
    const ids = [await message(), await message()];
    const stream = await open();
    const first = await stream.message();
    const second = await stream.message();
    expect([first.webhookId, second.webhookId]).toEqual(ids);
    await untilWaits();
    ids.push(await message());
    await api.inboxFeed.round();
    expect((await stream.message()).webhookId).toBe(ids[2]);
    await stream.leave();
    await untilOpen(0);
    const again = await open("", { "last-event-id": first.id });
    expect((await again.message()).webhookId).toBe(ids[1]);
    expect((await again.message()).webhookId).toBe(ids[2]);
    await again.leave();
    const behind = await open(`?cursor=${second.id}`);
    expect((await behind.message()).webhookId).toBe(ids[2]);
    await behind.leave();
    await untilOpen(0);
  });

  it("GET /v1/inboxes/{name}/stream sends a comment every 15 s without messages, and ends after 15 minutes", async () => {
    await api.request("PUT", "/v1/inboxes/orders");
    const stream = await open();
    for (let comment = 0; comment < 3; comment += 1) {
      await untilWaits();
      api.clock.advance(15_000);
      expect(await stream.next()).toMatch(/^: /);
    }
    await untilWaits();
    api.clock.advance(15 * 60_000);
    expect(await stream.next()).toMatch(/^: /);
    expect(await stream.next()).toBeNull();
    await untilOpen(0);
  });

  it("GET /v1/inboxes/{name}/stream reads for a consumer alone, from where that is, and gives the claim back", async () => {
    const ids = [await message(), await message()];
    const page = (await (
      await api.request("GET", "/v1/inboxes/orders/messages?consumer=worker")
    ).json()) as Json;
    await api.request("POST", "/v1/inboxes/orders/consumers/worker/ack", {
      body: { cursor: page.data[0].cursor },
    });
    const stream = await open("?consumer=worker");
    expect((await stream.message()).webhookId).toBe(ids[1]);
    for (const path of [STREAM, "/v1/inboxes/orders/messages"]) {
      const refused = await api.request("GET", `${path}?consumer=worker`);
      expect(await problemOf(refused)).toMatchObject({ code: "consumer_busy" });
    }
    const { data } = (await (
      await api.request("GET", "/v1/inboxes/orders/consumers")
    ).json()) as Json;
    expect(data).toHaveLength(1);
    await stream.leave();
    await vi.waitFor(async () => {
      const again = await api.request("GET", `/v1/inboxes/orders/messages?consumer=worker`);
      expect(again.status).toBe(200);
    }, 60_000);
  });

  it("GET /v1/inboxes/{name}/stream ends when its key is revoked, and when the node stops", async () => {
    await api.request("PUT", "/v1/inboxes/orders");
    const key = await api.addKey(["subscriptions:read"]);
    const revoked = await open("", {}, key);
    await untilWaits();
    await message();
    await api.sql(`update api_keys set revoked_at = now(), updated_at = now() where name = 'test'
      and id = (select max(id::text)::uuid from api_keys)`);
    api.clock.advance(6_000);
    await api.inboxFeed.round();
    expect(await revoked.next()).toBeNull();
    const stopped = await open("");
    await stopped.message();
    await untilWaits();
    api.inboxFeed.beginStopping();
    expect(await stopped.next()).toBeNull();
    await untilOpen(0);
  });

  it("GET /v1/inboxes/{name}/stream gives up a client that takes nothing, and holds no more than it was about to take", async () => {
    for (let index = 0; index < 3; index += 1) await message();
    const response = await api.request("GET", STREAM);
    await untilOpen(1);
    // It has written what it could, and waits for that to be taken.
    let looks = 0;
    await vi.waitFor(() => {
      looks = api.clock.nextTimerMs === 60_000 ? looks + 1 : 0;
      expect(looks).toBeGreaterThan(3);
    }, 60_000);
    api.clock.advance(60_000);
    await untilOpen(0);
    await response.body?.cancel();
  });

  it("GET /v1/inboxes/{name}/stream refuses a Last-Event-ID that is no cursor of the inbox, and an inbox that does not exist", async () => {
    expect((await api.request("GET", STREAM)).status).toBe(404);
    await api.request("PUT", "/v1/inboxes/orders");
    for (const id of ["7", "x".repeat(500), "A".repeat(32)]) {
      const refused = await api.request("GET", STREAM, { headers: { "last-event-id": id } });
      expect(await problemOf(refused)).toMatchObject({
        code: "invalid_cursor",
        errors: [{ header: "last-event-id" }],
      });
    }
    const head = await api.request("HEAD", STREAM);
    expect(head.status).toBe(200);
    await untilOpen(0);
  });
});
