import { describe, expect, test } from "vitest";
import type { Observation } from "../../src/core/observation.ts";
import { Upstream } from "../../src/polling/upstream.ts";
import { builtInProviders } from "../../src/providers/catalogue.ts";
import { createSecretBox } from "../../src/runtime/secret-box.ts";
import type { StoredConnection } from "../../src/store/load-connections.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { CONNECTION_ID } from "../support/rows.ts";
import { CREDENTIAL, openBox, storedConnection } from "./jobs.ts";

const PROVIDERS = builtInProviders();

function upstreamWith(changes: Partial<StoredConnection> = {}) {
  const upstream = new Upstream(CONNECTION_ID, new FakeClock(), () => undefined);
  upstream.configure(storedConnection(changes), PROVIDERS, openBox);
  return upstream;
}

describe("a connection that can be used", () => {
  test("starts its jobs at once, by its own settings", () => {
    const upstream = upstreamWith({ settings: { poll_interval_s: 2.5 } });
    expect(upstream.problem).toBeNull();
    expect(upstream.lane.pausedUntilMs).toBe(0);
    expect(upstream.access).toMatchObject({
      schedule: { kind: "fixed", intervalMs: 2500 },
      credentialVersion: 1,
    });
  });

  test("has its provider's schedule unless it says otherwise", () => {
    const { access } = upstreamWith({ settings: {} });
    expect(access?.schedule).toEqual(PROVIDERS.get("pulse")?.schedule);
  });

  test("may override each of its provider's limits", () => {
    const clock = new FakeClock();
    let started = 0;
    const limits = { concurrency: 3, requests_per_second: 1, burst: 2 };
    const upstream = new Upstream(CONNECTION_ID, clock, () => void (started += 1));
    for (let job = 0; job < 10; job += 1) {
      const watch = { state: "scheduled", dueAtMs: clock.now() };
      upstream.lane.push(watch as never, clock.now());
    }
    upstream.configure(storedConnection({ settings: { limits } }), PROVIDERS, openBox);
    expect(started).toBe(1);
    clock.advance(1_000);
    expect(started).toBe(2);
    clock.advance(10_000);
    expect(started).toBe(3);
  });
});

describe("a connection that can't be used sends nothing and says why", () => {
  test.for<[string, Partial<StoredConnection>, RegExp]>([
    ["deleted", { isDeleted: true, credential: null }, /was deleted/],
    [
      "paused for a reason",
      { state: "paused", pausedReason: "HTTP 401: Invalid API key" },
      /paused: HTTP 401: Invalid API key/,
    ],
    ["paused by hand", { state: "paused" }, /paused: by hand/],
    ["of a provider that this node does not have", { provider: "acme" }, /acme is not known/],
    ["whose credential can't be a header", { credential: "a\r\nb" }, /./],
  ])("%s", ([, changes, problem]) => {
    const upstream = upstreamWith(changes);
    expect(upstream.access).toBeNull();
    expect(upstream.problem).toMatch(problem);
    expect(upstream.lane.pausedUntilMs).toBe(Infinity);
  });

  test("whose credential was sealed with a key that is gone", () => {
    const [sealing, other] = [1, 2].map((byte) => createSecretBox([Buffer.alloc(32, byte)]));
    const upstream = new Upstream(CONNECTION_ID, new FakeClock(), () => undefined);
    const credential = sealing?.seal(CREDENTIAL) ?? "";
    upstream.configure(storedConnection({ credential }), PROVIDERS, other ?? openBox);
    expect(upstream.problem).toContain("RINGBACK_ENCRYPTION_KEYS");
    expect(upstream.access).toBeNull();
  });

  test("until it is configured anew", () => {
    const upstream = upstreamWith({ state: "paused" });
    upstream.configure(storedConnection({ credentialVersion: 2 }), PROVIDERS, openBox);
    expect(upstream.access?.credentialVersion).toBe(2);
    expect(upstream.lane.pausedUntilMs).toBe(0);
  });

  test("nor until a suspension that could not be recorded is taken back", () => {
    const upstream = upstreamWith();
    upstream.suspend("HTTP 401");
    expect([upstream.access, upstream.problem]).toEqual([null, "HTTP 401"]);
    upstream.restore(5_000);
    expect(upstream.problem).toBeNull();
    expect(upstream.access).not.toBeNull();
    expect(upstream.lane.pausedUntilMs).toBe(5_000);
  });
});

describe("a credential that an upstream echoes", () => {
  const echo = `before ${CREDENTIAL} and ${CREDENTIAL} after`;
  const times = { createdAt: null, updatedAt: null };

  test.for<Observation>([
    { kind: "failed", error: echo, times },
    { kind: "canceled", error: echo, times },
    { kind: "expired", error: echo, times },
    { kind: "retry", cause: "upstream_fault", reason: echo, retryAfterMs: null },
    { kind: "credential_rejected", reason: echo },
    {
      kind: "running",
      phase: "processing",
      progress: null,
      hintMs: null,
      unknownStatus: echo,
      times,
    },
  ])("is taken out of what is said: $kind", (observation) => {
    const redacted = JSON.stringify(upstreamWith().access?.redact(observation));
    expect(redacted).toContain("before [redacted] and [redacted] after");
  });

  test("stays in a result, which is the client's own", () => {
    const observation: Observation = { kind: "completed", result: `"${echo}"`, times };
    expect(upstreamWith().access?.redact(observation)).toEqual(observation);
  });

  test("is not looked for when it is as short as a word", () => {
    const observation: Observation = { kind: "failed", error: "the file is bad", times };
    const { access } = upstreamWith({ credential: "file" });
    expect(access?.redact(observation)).toEqual(observation);
  });
});
