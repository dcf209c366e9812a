import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { submitThrough } from "../../../src/api/submit-through.ts";
import { problemAnswer } from "../../../src/api/http/problem.ts";
import { ApiFixture, problemOf } from "../api-fixture.ts";

const PER_SECOND = 20;

let api: ApiFixture;
let attacker: { readonly projectId: string; readonly key: string };
let neighbor: { readonly projectId: string; readonly key: string };

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

beforeEach(async () => {
  attacker = await project();
  neighbor = await project();
});

async function project() {
  const projectId = api.uuid();
  await api.addProject(projectId, projectId);
  api.limits.own.set(projectId, { requests_per_second: PER_SECOND });
  return { projectId, key: await api.addKey(["admin"], { projectId }) };
}

/** Sends so many requests and gives their statuses. */
async function send({ key }: { key: string }, count: number): Promise<number[]> {
  const answers = Array.from({ length: count }, () => api.request("GET", "/v1/providers", { key }));
  return (await Promise.all(answers)).map(({ status }) => status);
}

describe("a project that sends more requests than it may", () => {
  test("a project beyond its request rate is refused, and another project's requests are all answered", async () => {
    const flood = await send(attacker, 10 * PER_SECOND);
    expect(flood.filter((status) => status === 200)).toHaveLength(PER_SECOND);
    expect(flood.filter((status) => status === 429)).toHaveLength(9 * PER_SECOND);
    expect(new Set(await send(neighbor, PER_SECOND))).toEqual(new Set([200]));
  });

  test("a project beyond its request rate learns its limit, the remainder, and when to retry", async () => {
    await send(attacker, PER_SECOND);
    const refused = await api.request("GET", "/v1/providers", attacker);
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      "retry-after": "1",
      "ratelimit-policy": '"requests";q=20;w=1',
      ratelimit: '"requests";r=0;t=1',
    });
    expect(await problemOf(refused)).toMatchObject({
      code: "too_many_requests",
      limit: "requests_per_second",
      allowed: PER_SECOND,
    });
  });

  test("a project beyond its request rate is served again as time passes, at its rate", async () => {
    await send(attacker, PER_SECOND);
    api.clock.advance(100);
    expect(await send(attacker, 3)).toEqual([200, 200, 429]);
    api.clock.advance(60_000);
    expect((await send(attacker, 2 * PER_SECOND)).filter((status) => status === 200)).toHaveLength(
      PER_SECOND,
    );
  });

  test("a changed request rate applies at once; with 0, every request is refused", async () => {
    await send(attacker, PER_SECOND);
    api.limits.own.set(attacker.projectId, { requests_per_second: 0 });
    api.clock.advance(60_000);
    const refused = await api.request("GET", "/v1/providers", attacker);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("3600");
    api.limits.own.set(attacker.projectId, { requests_per_second: 40 });
    await send(attacker, 1);
    api.clock.advance(1_000);
    expect((await send(attacker, 50)).filter((status) => status === 200)).toHaveLength(40);
  });
});

describe("requests that are passed on to an upstream", () => {
  const pass = async ({ key }: { key: string }) => {
    const through = submitThrough(api.services, { storeTimeoutMs: 0, isStopping: () => false });
    return through.authenticate(key, new IncomingMessage(new Socket()));
  };

  test("requests passed on to an upstream count like all others towards the request rate", async () => {
    for (let request = 0; request < PER_SECOND / 2; request += 1) {
      expect(await pass(attacker)).toEqual({ ok: true, value: attacker.projectId });
    }
    const flood = await send(attacker, PER_SECOND);
    expect(flood.filter((status) => status === 200)).toHaveLength(PER_SECOND / 2);
    expect(await pass(neighbor)).toMatchObject({ ok: true });
    expect(api.limits.used(attacker.projectId, "requests_per_second")).toBe(PER_SECOND);
  });

  test("requests passed on to an upstream are refused with the same problem and fields, whatever the key's scopes", async () => {
    await send(attacker, PER_SECOND);
    const reader = await api.addKey(["subscriptions:read"], attacker);
    const refused = await pass({ key: reader });
    if (refused.ok) throw new Error("not refused");
    const { headers } = submitThrough(api.services, {
      storeTimeoutMs: 0,
      isStopping: () => false,
    }).render(refused.problem, "r");
    expect(refused.problem).toMatchObject({
      code: "too_many_requests",
      extensions: { limit: "requests_per_second", allowed: PER_SECOND },
    });
    expect(headers).toMatchObject({
      "retry-after": "1",
      "ratelimit-policy": '"requests";q=20;w=1',
      ratelimit: '"requests";r=0;t=1',
    });
    api.clock.advance(1_000);
    expect(await pass({ key: reader })).toMatchObject({ problem: { code: "insufficient_scope" } });
  });
});

test("an answer says how many requests are left", async () => {
  const answers = [];
  for (let request = 0; request < 3; request += 1) {
    answers.push((await api.request("GET", "/v1/providers", neighbor)).headers.get("ratelimit"));
  }
  expect(answers).toEqual(['"requests";r=19;t=1', '"requests";r=18;t=1', '"requests";r=17;t=1']);
  const other = await api.request("GET", "/v1/nowhere", neighbor);
  expect(other.headers.get("ratelimit")).toBeNull();
});

test("sent requests are shown as used", async () => {
  await send(neighbor, 5);
  expect(api.limits.used(neighbor.projectId, "requests_per_second")).toBe(5);
  api.clock.advance(5_000);
  expect(api.limits.used(neighbor.projectId, "requests_per_second")).toBe(0);
});

test.each(["too_many_live_jobs", "too_many_tests", "too_many_redeliveries"] as const)(
  "%s says when to try again",
  (code) => {
    expect(problemAnswer({ code, detail: "." }, "r")).toMatchObject({
      status: 429,
      headers: { "retry-after": "10" },
    });
  },
);
