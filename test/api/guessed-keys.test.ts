import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkedApp } from "../support/checked-app.ts";
import type { ApiServices } from "../../src/api/services.ts";
import { hashApiKey, newApiKey } from "../../src/runtime/secrets/api-key.ts";
import { createApiKey } from "../../src/store/projects/api-keys.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.open();
});
afterEach(() => api.close());

const GUESSES = 300;
const VALID_CALLS = 24;
const PATH = "/v1/connections";

const oldGuess = (): string => `rb_${randomBytes(32).toString("base64url")}`;
const newGuess = (): string => newApiKey().slice(0, -6) + "000000";

/** Asks from an address of the network. */
const askFrom = async (
  address: string,
  key: string,
  headers: Record<string, string> = {},
  app = api.app,
): Promise<Response> =>
  app.request(
    PATH,
    { headers: { authorization: `Bearer ${key}`, ...headers } },
    { incoming: { socket: { remoteAddress: address } } },
  );

async function statusesFrom(address: string, keys: readonly string[]): Promise<number[]> {
  const responses = await Promise.all(keys.map((key) => askFrom(address, key)));
  return responses.map(({ status }) => status);
}

const countOf = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

/** The names of the database's calls until it is asked. */
function notedCalls(): () => string[] {
  const run = vi.spyOn(api.database, "run");
  return () => run.mock.calls.splice(0).map(([name]) => name);
}

describe("300 connections that guess keys beside valid calls", () => {
  it.each([
    ["of the form that keys have", newGuess],
    ["of the form that keys had", oldGuess],
  ])(
    "%s on 300 connections that guess keys leave every valid call its answer, without more work for the database",
    async (_, guess) => {
      const valid = await Promise.all(
        Array.from({ length: VALID_CALLS }, () => api.addKey(["admin"])),
      );
      await api.apiKeys.start();
      const calls = notedCalls();
      expect(countOf(await statusesFrom("203.0.113.1", valid), 200)).toBe(VALID_CALLS);
      const quiet = calls();
      expect(quiet).toEqual(valid.map(() => "list-connections"));

      const guesses = statusesFrom("203.0.113.2", Array.from({ length: GUESSES }, guess));
      expect(countOf(await statusesFrom("203.0.113.1", valid), 200)).toBe(VALID_CALLS);
      expect(await guesses).not.toContain(503);
      const attacked = calls();
      expect(attacked.filter((name) => name === "list-connections")).toEqual(quiet);
      // One statement for the first guess, and one for those that came while it ran.
      const lookups = attacked.filter((name) => name !== "list-connections");
      expect(lookups.length).toBeLessThanOrEqual(guess === oldGuess ? 2 : 0);
      await api.apiKeys.stop();
    },
  );
});

describe("an address that sends many refused keys", () => {
  it("an address that sends many refused keys is told to wait, while its valid keys, new ones too, and other addresses are not", async () => {
    const key = await api.addKey(["admin"]);
    await api.apiKeys.start();
    const guesses = Array.from({ length: GUESSES }, newGuess);
    expect(countOf(await statusesFrom("203.0.113.1", guesses), 401)).toBe(GUESSES);

    const refused = await askFrom("203.0.113.1", newGuess());
    expect(refused.status).toBe(429);
    expect(await problemOf(refused)).toMatchObject({ code: "too_many_refused_keys" });
    expect(refused.headers.get("retry-after")).toBe("1");
    expect((await askFrom("203.0.113.1", key)).status).toBe(200);
    const made = await api.addKey(["admin"]);
    expect((await askFrom("203.0.113.1", made)).status).toBe(200);
    expect((await askFrom("203.0.113.2", newGuess())).status).toBe(401);

    api.clock.advance(1_000);
    expect(countOf(await statusesFrom("203.0.113.1", guesses), 401)).toBe(5);
    await api.apiKeys.stop();
  });

  it.each([
    ["without a key", {}],
    ["with another kind of key", { authorization: "Basic cmI6MTIzNA==" }],
  ])("an address that sends many requests %s is told to wait as well", async (_, headers) => {
    const source = { incoming: { socket: { remoteAddress: "203.0.113.3" } } };
    const ask = async () => api.app.request(PATH, { headers }, source);
    const responses = await Promise.all(Array.from({ length: GUESSES }, ask));
    expect(
      countOf(
        responses.map(({ status }) => status),
        401,
      ),
    ).toBe(GUESSES);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(await problemOf(refused)).toMatchObject({ code: "too_many_refused_keys" });
    const key = await api.addKey(["admin"]);
    expect((await askFrom("203.0.113.3", key)).status).toBe(200);
  });

  it("an address that sends many refused keys may be a whole IPv6 network, and the one behind the operator's proxy", async () => {
    const guesses = Array.from({ length: GUESSES }, newGuess);
    const network = guesses.map((key, n) => askFrom(`2001:db8::${n.toString(16)}`, key));
    await Promise.all(network);
    expect((await askFrom("2001:db8::ffff", newGuess())).status).toBe(429);
    expect((await askFrom("2001:db8:0:1::1", newGuess())).status).toBe(401);

    const via = (client: string, proxy = "10.0.0.1"): Promise<Response> =>
      askFrom(proxy, newGuess(), { "x-forwarded-for": `192.0.2.${client}` });
    await Promise.all(guesses.map(() => via("1")));
    expect((await via("1")).status).toBe(429);
    expect((await via("2")).status).toBe(401);
    // The headers of a proxy that is not the operator's are ignored.
    await Promise.all(guesses.map((_, n) => via(String(n), "203.0.113.9")));
    expect((await via("1", "203.0.113.9")).status).toBe(429);
  });

  it("an address that sends many refused keys makes one log line a minute, without a key, and counts in a metric", async () => {
    const guesses = Array.from({ length: GUESSES + 20 }, newGuess);
    await statusesFrom("203.0.113.1", guesses);
    await statusesFrom("203.0.113.2", guesses.slice(0, 1));
    const refusals = () => api.logged.filter(({ level }) => level === "warn");
    expect(refusals()).toEqual([]);
    api.clock.advance(60_000);
    const message = "requests without a valid API key were refused";
    expect(refusals()).toEqual([
      { level: "warn", fields: { address: "203.0.113.1", count: GUESSES + 20 }, message },
      { level: "warn", fields: { address: "203.0.113.2", count: 1 }, message },
    ]);
    expect(JSON.stringify(refusals())).not.toContain("rb_");
    api.clock.advance(600_000);
    expect(refusals()).toHaveLength(2);
    const counted = api.authenticationFailures;
    expect(counted.filter((reason) => reason === "malformed")).toHaveLength(GUESSES + 1);
    expect(counted.filter((reason) => reason === "limited")).toHaveLength(20);
  });
});

describe("on another node", () => {
  const otherNode = (): ApiServices & { apiKeys: ApiFixture["apiKeys"] } => ({
    ...api.services,
    apiKeys: api.keyDirectory(),
  });

  it("on another node, a key works right after it was created, and is looked up once", async () => {
    const services = otherNode();
    await services.apiKeys.start();
    const app = checkedApp(services);
    const calls = notedCalls();
    for (const key of [newApiKey(), oldGuess()]) {
      await createApiKey(api.database, {
        id: api.uuid(),
        projectId: api.projectId,
        name: "new",
        key,
        scopes: ["admin"],
        nowMs: api.clock.now(),
        expiresAtMs: null,
      });
      calls();
      expect((await askFrom("203.0.113.1", key, {}, app)).status).toBe(200);
      expect(calls()).toEqual(["find-api-keys", "list-connections"]);
      expect((await askFrom("203.0.113.1", key, {}, app)).status).toBe(200);
      expect(calls()).toEqual(["list-connections"]);
    }
    await services.apiKeys.stop();
  });

  it("on another node, a revoked key is refused within a second", async () => {
    const services = otherNode();
    const key = await api.addKey(["subscriptions:read"]);
    await services.apiKeys.start();
    const app = checkedApp(services);
    const ask = () => app.request("/v1/providers", { headers: { authorization: `Bearer ${key}` } });
    expect((await ask()).status).toBe(200);
    const [row] = await api.sql(`select id from api_keys where key_hash = $1`, [hashApiKey(key)]);
    const path = `/v1/api-keys/key_${row.id.replaceAll("-", "")}`;
    expect((await api.request("DELETE", path)).status).toBe(204);
    const revokedAtMs = api.clock.monotonic();
    await vi.waitFor(
      async () => {
        if (api.clock.monotonic() - revokedAtMs < 900) api.clock.advance(100);
        expect((await ask()).status).toBe(401);
      },
      { timeout: 60_000 },
    );
    await services.apiKeys.stop();
  });

  it("on another node, a key in memory is trusted for at most five seconds without news of it", async () => {
    const services = otherNode();
    const key = await api.addKey(["admin"]);
    await services.apiKeys.start();
    await services.apiKeys.stop();
    expect(services.apiKeys.find(hashApiKey(key))).not.toBeNull();
    api.clock.advance(5_000);
    expect(services.apiKeys.find(hashApiKey(key))).toBeNull();
  });
});

it("a key of many requests that come together is looked up once", async () => {
  const key = await api.addKey(["admin"]);
  const calls = notedCalls();
  await statusesFrom("203.0.113.1", [key, key, key]);
  expect(calls().filter((name) => name === "find-api-keys")).toHaveLength(1);
});
