import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  api = await ApiFixture.open();
  vi.setSystemTime(api.clock.now());
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

const pathOf = (id: string, query = ""): string => `/v1/subscriptions/${id}/wait${query}`;

/** Resolves once as many requests of the project wait. */
function untilWaiting(count: number): Promise<void> {
  return vi.waitFor(
    () => expect(api.limits.used(api.projectId, "requests_waiting")).toBe(count),
    60_000,
  );
}

describe("GET /v1/subscriptions/{id}/wait", () => {
  it("GET /v1/subscriptions/{id}/wait answers at once when the job has ended, with a body that verifies", async () => {
    const { id } = await api.subscribe({ metadata: { invoice: 17 } });
    const { deliveryId } = await api.end(id, { result: '{"amount":1.10}' });
    const response = await api.request("GET", pathOf(id));
    expect(response.status).toBe(200);
    const body = await response.text();
    expect(body).toContain('"result":{"amount":1.10}');
    const headers = Object.fromEntries(response.headers);
    expect(headers["webhook-id"]).toBe(`msg_${deliveryId?.replaceAll("-", "")}`);
    vi.setSystemTime(api.clock.now());
    expect(new Webhook(SIGNING_SECRET).verify(body, headers)).toMatchObject({
      type: "job.completed",
      data: { subscription_id: id, metadata: { invoice: 17 } },
    });
  });

  it("GET /v1/subscriptions/{id}/wait signs with the subscription's own secret, and sends a large result by reference", async () => {
    const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const { id } = await api.subscribe({ secret });
    await api.end(id, { result: `"${"x".repeat(200)}"` });
    const response = await api.request("GET", pathOf(id));
    const body = await response.text();
    vi.setSystemTime(api.clock.now());
    const event = new Webhook(secret).verify(body, Object.fromEntries(response.headers));
    expect(event).toMatchObject({ data: { result_url: expect.stringContaining("/result") } });
    expect(body).not.toContain("xxx");
  });

  it("GET /v1/subscriptions/{id}/wait returns an ending that the subscription does not want", async () => {
    const { id } = await api.subscribe({ events: ["job.failed"] });
    await api.end(id, { result: "1" });
    expect(await (await api.request("GET", pathOf(id))).json()).toMatchObject({
      type: "job.completed",
    });
  });

  it("GET /v1/subscriptions/{id}/wait answers 204 at once with timeout_s=0, and after the time when the job still runs", async () => {
    const { id } = await api.subscribe();
    expect((await api.request("GET", pathOf(id, "?timeout_s=0"))).status).toBe(204);
    const waiting = api.request("GET", pathOf(id, "?timeout_s=2"));
    await untilWaiting(1);
    api.clock.advance(2_000);
    expect((await waiting).status).toBe(204);
    await untilWaiting(0);
  });

  it("GET /v1/subscriptions/{id}/wait answers when the job ends while it waits", async () => {
    const { id } = await api.subscribe();
    const waiting = api.request("GET", pathOf(id));
    await untilWaiting(1);
    await api.end(id, { status: "failed", error: "no such page" });
    await api.endingWaits.round();
    expect(await (await waiting).json()).toMatchObject({
      type: "job.failed",
      data: { error: "no such page" },
    });
  });

  it("GET /v1/subscriptions/{id}/wait refuses a closed subscription of a job that runs, also one that is closed while it waits", async () => {
    const { id } = await api.subscribe();
    const waiting = api.request("GET", pathOf(id));
    await untilWaiting(1);
    await api.request("DELETE", `/v1/subscriptions/${id}`);
    await api.endingWaits.round();
    for (const response of [await waiting, await api.request("GET", pathOf(id))]) {
      expect(await problemOf(response)).toMatchObject({
        code: "subscription_closed",
        detail: expect.stringContaining("canceled"),
      });
    }
  });

  it("GET /v1/subscriptions/{id}/wait returns nothing to a key that was revoked while it waited", async () => {
    const { id } = await api.subscribe();
    const key = await api.addKey(["subscriptions:read"]);
    const waiting = api.request("GET", pathOf(id), { key });
    await untilWaiting(1);
    await api.sql(`update api_keys set revoked_at = now(), updated_at = now()`);
    await api.end(id, { result: "1" });
    api.clock.advance(6_000);
    await api.endingWaits.round();
    expect(await problemOf(await waiting)).toMatchObject({ code: "unauthorized" });
  });

  it("GET /v1/subscriptions/{id}/wait is refused to a project of which as many wait as may, and leaves its place with its client", async () => {
    const { id } = await api.subscribe();
    api.limits.own.set(api.projectId, { requests_waiting: 1 });
    const client = new AbortController();
    const key = await api.addKey(["subscriptions:read"]);
    const first = api.app.request(pathOf(id), {
      headers: { authorization: `Bearer ${key}` },
      signal: client.signal,
    });
    await untilWaiting(1);
    const second = api.request("GET", pathOf(id));
    await vi.waitFor(() => expect(api.clock.nextTimerMs).toBeLessThanOrEqual(2_000), 60_000);
    api.clock.advance(2_000);
    const refused = await second;
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await problemOf(refused)).toMatchObject({
      code: "too_many_requests",
      limit: "requests_waiting",
      allowed: 1,
    });
    client.abort();
    await first;
    await untilWaiting(0);
  });

  it("GET /v1/subscriptions/{id}/wait answers 4xx to other times and to subscriptions that do not exist", async () => {
    const { id } = await api.subscribe();
    for (const query of ["-1", "301", "1.5", "x", "", "1e2", "99999999"]) {
      const response = await api.request("GET", pathOf(id, `?timeout_s=${query}`));
      expect(await problemOf(response)).toMatchObject({ code: "invalid_query" });
    }
    const missing = await api.request("GET", pathOf(`sub_${"0".repeat(12)}7${"0".repeat(19)}`));
    expect(missing.status).toBe(404);
  });
});

describe("GET /v1/events/wait", () => {
  const url = (after: string | null, timeoutS: number): string =>
    `/v1/events/wait?timeout_s=${timeoutS}${after === null ? "" : `&after=${after}`}`;

  /** Ends a new job, and returns the id of its event. */
  async function recorded(): Promise<string> {
    const { id } = await api.subscribe();
    await api.end(id, { result: "1" });
    const { data } = (await (await api.request("GET", "/v1/events?limit=1")).json()) as {
      data: { id: string }[];
    };
    return data[0]?.id ?? "";
  }

  it("the newest event is named at once when it is newer than the known one, and none otherwise", async () => {
    expect((await api.request("GET", url(null, 0))).status).toBe(204);
    const first = await recorded();
    api.clock.advance(5);
    const second = await recorded();
    const answer = await api.request("GET", url(first, 60));
    expect(await answer.json()).toEqual({ object: "newest_event", id: second });
    expect((await api.request("GET", url(second, 0))).status).toBe(204);
    expect((await api.request("GET", url(null, 0))).status).toBe(204);
  });

  it("a request that waits for an event is answered once one is recorded, the first of a project too, and with 204 after the time", async () => {
    const first = api.request("GET", url(null, 60));
    await untilWaiting(1);
    const id = await recorded();
    await api.eventWaits.round();
    expect(await (await first).json()).toEqual({ object: "newest_event", id });
    const second = api.request("GET", url(id, 2));
    await untilWaiting(1);
    await api.eventWaits.round();
    api.clock.advance(2_000);
    expect((await second).status).toBe(204);
    await untilWaiting(0);
  });

  it("hears nothing of other projects", async () => {
    const { id } = await api.subscribe();
    const otherProject = api.uuid();
    await api.addProject(otherProject, "other");
    const other = await api.addKey(["subscriptions:read"], { projectId: otherProject });
    const waiting = api.request("GET", url(null, 60));
    const elsewhere = api.request("GET", url(null, 3), { key: other });
    await vi.waitFor(() => expect(api.eventWaits.size).toBe(2), 60_000);
    await api.end(id, { result: "1" });
    await api.eventWaits.round();
    expect((await waiting).status).toBe(200);
    expect(api.eventWaits.size).toBe(1);
    api.clock.advance(3_000);
    expect((await elsewhere).status).toBe(204);
  });

  it("a key that was revoked while it waited for an event learns nothing", async () => {
    const { id } = await api.subscribe();
    const key = await api.addKey(["subscriptions:read"]);
    const waiting = api.request("GET", url(null, 60), { key });
    await untilWaiting(1);
    await api.sql(`update api_keys set revoked_at = now(), updated_at = now()`);
    await api.end(id, { result: "1" });
    api.clock.advance(6_000);
    await api.eventWaits.round();
    expect(await problemOf(await waiting)).toMatchObject({ code: "unauthorized" });
  });
});
