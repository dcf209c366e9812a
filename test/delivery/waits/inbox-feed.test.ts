import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiFixture, type Json } from "../../api/api-fixture.ts";

const MESSAGES = "/v1/inboxes/orders/messages";

let api: ApiFixture;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  api = await ApiFixture.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

async function untilWaiting(count: number): Promise<void> {
  await expect.poll(() => api.limits.used(api.projectId, "requests_waiting")).toBe(count);
}

test("readers get their messages while the claim of one that has left can't be given back", async () => {
  const subscribe = (): Promise<Json> =>
    api.subscribe({ callback_url: undefined, inbox: "orders" });
  await subscribe();
  await api.sql(`
    create function stuck() returns trigger language plpgsql as $$ begin
      raise exception 'canceling statement due to lock timeout' using errcode = '55P03';
    end $$`);
  await api.sql(`
    create trigger stuck before update on inbox_consumers
    for each row when (new.reader_id is null) execute function stuck()`);
  const client = new AbortController();
  const key = await api.addKey(["subscriptions:read"]);
  const leaving = api.app.request(`${MESSAGES}?wait_s=30&consumer=worker`, {
    headers: { authorization: `Bearer ${key}` },
    signal: client.signal,
  });
  await untilWaiting(1);
  client.abort();
  await leaving;

  const waiting = api.request("GET", `${MESSAGES}?wait_s=30`);
  await untilWaiting(1);
  await api.end((await subscribe()).id);
  await expect(api.inboxFeed.round()).rejects.toMatchObject({ code: "55P03" });
  expect(await (await waiting).json()).toMatchObject({ data: [{}] });

  await api.sql(`drop trigger stuck on inbox_consumers`);
  await api.inboxFeed.round();
  expect(await api.sql(`select reader_id from inbox_consumers`)).toEqual([{ reader_id: null }]);
});
