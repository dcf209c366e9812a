import { describe, expect, test } from "vitest";
import { SandboxInbox, type Callback } from "../../src/sandbox/inbox.ts";
import { API_KEY, OTHER_SECRET, SECRET, signedPost, startSandbox } from "./sandbox-harness.ts";

const BODY = '{"type":"job.completed","data":{"job_id":"j","result":{"n":12345678901234567890}}}';
const MINUTE_MS = 60_000;

describe("a callback", () => {
  test("a callback with a valid signature is accepted and shown as received", async () => {
    const sandbox = startSandbox();
    const response = await sandbox.request("/inbox", signedPost(BODY));
    expect(response.status).toBe(204);
    expect(await sandbox.inbox()).toEqual([
      {
        object: "callback",
        inbox: null,
        received_at: "2026-01-01T00:00:00.000Z",
        webhook_id: "msg_1",
        delivery: 1,
        verified: true,
        reason: null,
        answered: 204,
        headers: expect.objectContaining({ "webhook-id": "msg_1" }),
        body: BODY,
      },
    ]);
  });

  test("a callback signed with any of the secrets is accepted", async () => {
    const sandbox = startSandbox([OTHER_SECRET, SECRET]);
    expect((await sandbox.request("/inbox", signedPost(BODY))).status).toBe(204);
  });

  const longAgo = new Date(Date.now() - 6 * MINUTE_MS);
  const farAhead = new Date(Date.now() + 6 * MINUTE_MS);
  const signed = signedPost(BODY);
  test.each<[string, RequestInit, RegExp]>([
    ["signed with another secret", signedPost(BODY, { secret: OTHER_SECRET }), /signature/i],
    ["whose body was altered", { ...signed, body: `${BODY} ` }, /signature/i],
    ["replayed after six minutes", signedPost(BODY, { at: longAgo }), /too old/],
    ["from the future", signedPost(BODY, { at: farAhead }), /too new/],
    ["without signature headers", { method: "POST", body: BODY }, /required headers/],
  ])("a callback with %s is refused, and shown with the reason", async (_, post, reason) => {
    const sandbox = startSandbox();
    const response = await sandbox.request("/inbox", post);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({
      status: 400,
      detail: expect.stringMatching(reason),
    });
    expect(await sandbox.inbox()).toEqual([
      expect.objectContaining({
        verified: false,
        reason: expect.stringMatching(reason),
        answered: 400,
        delivery: 0,
      }),
    ]);
  });

  test("a callback is refused when there is no secret to verify with", async () => {
    const sandbox = startSandbox([]);
    expect((await sandbox.request("/inbox", signedPost(BODY))).status).toBe(400);
  });

  test("a callback above 1 MiB is refused and not kept", async () => {
    const sandbox = startSandbox();
    const response = await sandbox.request("/inbox", signedPost("x".repeat(1024 * 1024 + 1)));
    expect(response.status).toBe(413);
    expect(await sandbox.inbox()).toEqual([]);
  });
});

describe("an inbox told to fail", () => {
  test("an inbox with ?fail=2 answers 503 to the first two deliveries of each webhook-id", async () => {
    const sandbox = startSandbox();
    const answers: number[] = [];
    for (const id of ["msg_a", "msg_b", "msg_a", "msg_a", "msg_b", "msg_a"]) {
      answers.push((await sandbox.request("/inbox?fail=2", signedPost(BODY, { id }))).status);
    }
    expect(answers).toEqual([503, 503, 503, 204, 503, 204]);
    const seen = (await sandbox.inbox()).map((c) => [c.webhook_id, c.delivery, c.answered]);
    expect(seen[0]).toEqual(["msg_a", 4, 204]);
    expect(seen.at(-1)).toEqual(["msg_a", 1, 503]);
  });

  test("a forged callback does not count as a delivery", async () => {
    const sandbox = startSandbox();
    await sandbox.request("/inbox?fail=1", signedPost(BODY, { secret: OTHER_SECRET }));
    expect((await sandbox.request("/inbox?fail=1", signedPost(BODY))).status).toBe(503);
    expect((await sandbox.request("/inbox?fail=1", signedPost(BODY))).status).toBe(204);
  });

  test("an inbox with ?status=410 answers 410, after the failures if both are requested", async () => {
    const sandbox = startSandbox();
    expect((await sandbox.request("/inbox?status=410", signedPost(BODY))).status).toBe(410);
    const both = "/inbox?fail=2&status=410";
    expect((await sandbox.request(both, signedPost(BODY))).status).toBe(503);
    expect((await sandbox.request(both, signedPost(BODY))).status).toBe(410);
  });

  test.each(["fail=-1", "fail=many", "fail=1001", "status=99", "status=600", "fails=1"])(
    "an inbox with ?%s is refused and keeps nothing",
    async (query) => {
      const sandbox = startSandbox();
      expect((await sandbox.request(`/inbox?${query}`, signedPost(BODY))).status).toBe(400);
      expect(await sandbox.inbox()).toEqual([]);
    },
  );
});

describe("the list", () => {
  test("the list of a named inbox has only its callbacks; the list of all has every one, newest first", async () => {
    const sandbox = startSandbox();
    await sandbox.request("/inbox/one", signedPost(BODY, { id: "msg_1" }));
    await sandbox.request("/inbox/two", signedPost(BODY, { id: "msg_2" }));
    expect((await sandbox.inbox("/one")).map((c) => c.webhook_id)).toEqual(["msg_1"]);
    expect((await sandbox.inbox()).map((c) => c.webhook_id)).toEqual(["msg_2", "msg_1"]);
  });

  test("the list is empty after DELETE, and the failures start over", async () => {
    const sandbox = startSandbox();
    await sandbox.request("/inbox?fail=1", signedPost(BODY));
    const headers = { authorization: `Bearer ${API_KEY}` };
    expect((await sandbox.request("/inbox", { method: "DELETE", headers })).status).toBe(204);
    expect(await sandbox.inbox()).toEqual([]);
    expect((await sandbox.request("/inbox?fail=1", signedPost(BODY))).status).toBe(503);
  });

  test("the list keeps the last hundred callbacks", async () => {
    const sandbox = startSandbox();
    for (let n = 0; n < 105; n += 1) {
      await sandbox.request("/inbox", { method: "POST", body: String(n) });
    }
    const bodies = (await sandbox.inbox()).map(({ body }) => body);
    expect(bodies).toHaveLength(100);
    expect([bodies[0], bodies.at(-1)]).toEqual(["104", "5"]);
  });
});

describe("memory is bounded", () => {
  const callback: Callback = {
    inbox: null,
    receivedAtMs: 0,
    webhookId: "msg_1",
    delivery: 1,
    verdict: { verified: true },
    answered: 204,
    headers: { "webhook-id": "msg_1" },
    body: "x".repeat(40),
  };

  test("large callbacks displace older ones before there are a hundred", () => {
    const inbox = new SandboxInbox({ callbacksMax: 100, charactersMax: 150, webhookIdsMax: 10 });
    for (let n = 0; n < 5; n += 1) inbox.add({ ...callback, receivedAtMs: n });
    expect(inbox.list(null).map(({ receivedAtMs }) => receivedAtMs)).toEqual([4, 3]);
  });

  test("the webhook-ids not seen for longest are forgotten first", () => {
    const inbox = new SandboxInbox({ callbacksMax: 100, charactersMax: 150, webhookIdsMax: 2 });
    for (const id of ["a", "b", "a", "c"]) inbox.countDelivery(id);
    expect([inbox.countDelivery("a"), inbox.countDelivery("b")]).toEqual([3, 1]);
  });
});
