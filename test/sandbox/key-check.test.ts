import { expect, test } from "vitest";
import { hashApiKey } from "../../src/runtime/secrets/api-key.ts";
import { keyCheck, type KeySource } from "../../src/sandbox/key-check.ts";
import type { KnownApiKey } from "../../src/store/projects/api-keys.ts";
import { FakeClock } from "../support/fake-clock.ts";

const clock = new FakeClock();

function key(text: string, changes: Partial<KnownApiKey> = {}): KnownApiKey {
  return {
    id: text,
    projectId: "p",
    name: text,
    scopes: ["subscriptions:write"],
    createdAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
    keyHash: hashApiKey(text),
    updatedAtMs: 0,
    ...changes,
  };
}

const stored = [
  key("rb_writer"),
  key("rb_admin", { scopes: ["admin"] }),
  key("rb_later", { expiresAtMs: clock.now() + 1 }),
  key("rb_reader", { scopes: ["subscriptions:read"] }),
  key("rb_revoked", { revokedAtMs: clock.now() }),
  key("rb_expired", { expiresAtMs: clock.now() }),
];

/** Knows the first half of the keys at once, and the others when asked. */
const keys: KeySource = {
  find: (keyHash) => stored.slice(0, 2).find((one) => one.keyHash === keyHash) ?? null,
  isUnknown: () => false,
  lookUp: async (keyHash) => stored.find((one) => one.keyHash === keyHash) ?? null,
};

test.each(["Bearer rb_writer", "bearer rb_admin", "Bearer rb_later"])(
  "%s may change the sandbox",
  async (authorization) => {
    expect(await keyCheck(keys, clock)(authorization)).toBe(true);
  },
);

test.each([
  null,
  "rb_writer",
  "Basic rb_writer",
  "Bearer rb_reader",
  "Bearer rb_revoked",
  "Bearer rb_expired",
  "Bearer rb_nobodys",
  `Bearer rb_${"x".repeat(2000)}`,
])("%s may not", async (authorization) => {
  expect(await keyCheck(keys, clock)(authorization)).toBe(false);
});

test("a key that can't be looked up just now may not", async () => {
  const busy = { ...keys, lookUp: () => null };
  expect(await keyCheck(busy, clock)("Bearer rb_later")).toBe(false);
});
