import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Authenticator, type Caller } from "../../src/api/http/auth.ts";
import type { Outcome } from "../../src/core/problem.ts";
import { RefusedKeys } from "../../src/api/request/refused-keys.ts";
import { newApiKey } from "../../src/runtime/secrets/api-key.ts";
import { ApiFixture } from "./api-fixture.ts";

/*
 * Thousands of addresses, each with a key that has a good checksum and was never created, while the
 * database answers one lookup after the other, when it is told to.
 */

const HOSTILE_ADDRESSES = 6_000;
/** Addresses of a client that has used a key before, and of one that was never seen. */
const CLIENT = "203.0.113.1";
const NEWCOMER = "203.0.113.2";

let api: ApiFixture;
let node: ApiFixture["apiKeys"];
let authenticator: Authenticator;
/** Lets the oldest lookup of keys go on. */
let lookups: (() => void)[];

beforeEach(async () => {
  api = await ApiFixture.open();
  lookups = [];
  // Another node than the one on which keys are made: it hears of them by the database alone.
  node = api.keyDirectory();
  const { clock } = api;
  authenticator = new Authenticator({
    apiKeys: node,
    refusedKeys: new RefusedKeys({ clock, log: { warn: () => undefined } }),
    clock,
    metrics: { authenticationFailures: { add: () => undefined } },
  });
});
afterEach(() => api.close());

function holdLookups(): void {
  const { run } = api.database;
  vi.spyOn(api.database, "run").mockImplementation(async (name, work, options) => {
    if (name === "find-api-keys") await new Promise<void>((resolve) => lookups.push(resolve));
    return run.call(api.database, name, work, options);
  });
}

type Answer = Outcome<Caller> | Promise<Outcome<Caller>>;

const ask = (key: string, address: string): Answer =>
  authenticator.authenticateKey(key, { address });

const isAccepted = async (answer: Answer): Promise<boolean> => (await answer).ok;

/** Each hostile address asks again as soon as it is answered, while the flood goes on. */
class Flood {
  isOn = true;

  begin(): void {
    for (let n = 0; n < HOSTILE_ADDRESSES; n += 1) void this.#ask(`2001:db8:${n.toString(16)}::1`);
  }

  async #ask(address: string): Promise<void> {
    while (this.isOn) {
      const answer = ask(newApiKey(), address);
      if (!(answer instanceof Promise)) return;
      await answer;
    }
  }
}

/** How many lookups are carried out until there is an answer; the flood sees to it that there is a next one. */
async function lookupsUntil(answer: Answer): Promise<number> {
  let isOver = false;
  void Promise.resolve(answer).finally(() => (isOver = true));
  const nextOrOver = () =>
    vi.waitFor(() => expect(isOver || lookups.length > 0).toBe(true), { timeout: 60_000 });
  let count = 0;
  for (await nextOrOver(); !isOver; await nextOrOver()) {
    lookups.shift()?.();
    count += 1;
  }
  return count;
}

test("while thousands of addresses send keys that don't exist, keys in use are answered at once, and a new one from where a key was used comes next", async () => {
  const known = await api.addKey(["admin"]);
  await node.start();
  expect(await isAccepted(ask(known, CLIENT))).toBe(true);
  holdLookups();
  const flood = new Flood();
  flood.begin();

  // Without asking the database.
  expect(ask(known, NEWCOMER)).toMatchObject({ ok: true });
  const made = await api.addKey(["admin"]);
  const answer = ask(made, CLIENT);
  // The one in progress, and its own.
  expect(await lookupsUntil(answer)).toBeLessThanOrEqual(2);
  expect(await isAccepted(answer)).toBe(true);
  flood.isOn = false;
  await node.stop();
});

test("while thousands of addresses send keys that don't exist, a new key from an address that was never seen is known as soon as the node reads what has changed", async () => {
  await node.start();
  holdLookups();
  const flood = new Flood();
  flood.begin();
  const made = await api.addKey(["admin"]);
  const first = await ask(made, NEWCOMER);
  expect(first).toMatchObject({ ok: false, problem: { code: "too_many_refused_keys" } });
  await node.refresh();
  expect(ask(made, NEWCOMER)).toMatchObject({ ok: true });
  flood.isOn = false;
  await node.stop();
});

test("a new key that waits for its lookup is answered when the node reads what has changed", async () => {
  await node.start();
  holdLookups();
  void ask(newApiKey(), CLIENT);
  const made = await api.addKey(["admin"]);
  const answer = ask(made, NEWCOMER);
  await node.refresh();
  expect(await isAccepted(answer)).toBe(true);
  await node.stop();
});
