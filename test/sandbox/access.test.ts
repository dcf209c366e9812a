import { describe, expect, test } from "vitest";
import { API_KEY, signedPost, startSandbox } from "./sandbox-harness.ts";
import { hashApiKey } from "../../src/runtime/secrets/api-key.ts";
import { keyCheck, type KeySource } from "../../src/sandbox/access.ts";
import type { KnownApiKey } from "../../src/store/projects/api-keys.ts";
import { FakeClock } from "../support/fake-clock.ts";

const BEARER = { authorization: `Bearer ${API_KEY}` };
const CHANGES: readonly (readonly [string, string, RequestInit])[] = [
  ["a job is submitted", "/jobs", { method: "POST", body: "{}" }],
  ["the inbox is emptied", "/inbox", { method: "DELETE" }],
];

describe("a change needs an API key", () => {
  test.each(CHANGES)("a change needs an API key when %s", async (_, path, init) => {
    const sandbox = startSandbox();
    const refused = await sandbox.request(path, init);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toContain("Bearer");
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining("API key") });
    const wrong = { ...init, headers: { authorization: "Bearer rb_another" } };
    expect((await sandbox.request(path, wrong)).status).toBe(401);
    expect((await sandbox.request(path, { ...init, headers: BEARER })).ok).toBe(true);
  });
});

describe("a page of another origin in the same browser changes nothing", () => {
  const pages: readonly (readonly [string, Record<string, string>])[] = [
    ["names its origin", { origin: "https://evil.example" }],
    ["is sandboxed", { origin: "null" }],
    ["comes from another port", { origin: "http://localhost:3000" }],
    ["is marked by the browser", { "sec-fetch-site": "cross-site" }],
    ["comes from a neighboring name", { "sec-fetch-site": "same-site" }],
  ];

  test.each(pages)(
    "a page of another origin in the same browser changes nothing when it %s",
    async (_, headers) => {
      const sandbox = startSandbox();
      const callback = signedPost('{"type":"job.completed"}');
      const posts: (readonly [string, RequestInit])[] = [
        ...CHANGES.map(([, path, init]) => [path, init] as const),
        ["/inbox", callback],
        ["/inbox/mine", { method: "POST", body: "a form" }],
        [`/jobs/${await sandbox.submitted()}`, { method: "DELETE" }],
      ];
      for (const [path, init] of posts) {
        const sent = { ...BEARER, ...(init.headers as Record<string, string>), ...headers };
        const response = await sandbox.request(path, { ...init, headers: sent });
        expect(response.status).toBe(403);
        expect(response.headers.get("access-control-allow-origin")).toBeNull();
      }
      expect(await sandbox.inbox()).toEqual([]);
    },
  );

  test("the gateway's own page may make changes", async () => {
    const sandbox = startSandbox();
    const headers = { ...BEARER, origin: "http://localhost", "sec-fetch-site": "same-origin" };
    const init = { method: "POST", body: "{}", headers };
    expect((await sandbox.request("/jobs", init)).status).toBe(202);
  });
});

describe("a name that its owner points here (DNS rebinding)", () => {
  test.each([
    "http://evil.example",
    "http://localhost.evil.example:8080",
    "http://127.0.0.1.nip.io",
  ])("%s, a name rebound to this machine, reads and changes nothing", async (origin) => {
    const sandbox = startSandbox();
    for (const path of ["", "/inbox", "/jobs/1"]) {
      expect((await sandbox.requestAs(origin, path)).status).toBe(421);
    }
    const headers = { ...BEARER, origin };
    const init = { method: "POST", body: "{}", headers };
    expect((await sandbox.requestAs(origin, "/jobs", init)).status).toBe(421);
  });

  test.each([
    "http://localhost:8080",
    "http://127.0.0.1:8080",
    "http://[::1]:8080",
    "http://10.0.0.5",
    "https://gateway.example",
  ])("%s is served as a name of this machine", async (origin) => {
    expect((await startSandbox().requestAs(origin, "/inbox")).status).toBe(200);
  });
});

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
