import { describe, expect, test } from "vitest";
import { HEALTHY } from "../../../src/core/job/job.ts";
import type { Observation } from "../../../src/core/job/observation.ts";
import { Upstream } from "../../../src/polling/upstream/upstream.ts";
import { createSecretBox } from "../../../src/runtime/secrets/secret-box.ts";
import type { StoredConnection } from "../../../src/store/connections/load-connections.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { builtInOnly } from "../../support/providers.ts";
import { CONNECTION_ID } from "../../support/rows.ts";
import { CREDENTIAL, openBox, openGate, storedConnection, NO_CEILINGS } from "../jobs.ts";
import { testRuntime } from "../../support/runtime.ts";

function newUpstream(
  ports: Partial<ConstructorParameters<typeof Upstream>[2]> = {},
  clock = new FakeClock(),
) {
  return new Upstream(testRuntime({ clock }), CONNECTION_ID, {
    providers: builtInOnly(),
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    gateOf: () => openGate(new FakeClock()),
    poll: () => undefined,
    isCurrent: () => true,
    ...ports,
  });
}

function upstreamWith(changes: Partial<StoredConnection> = {}) {
  const upstream = newUpstream();
  upstream.configure(storedConnection(changes));
  return upstream;
}

describe("a connection that can be used", () => {
  test("a usable connection starts its jobs at once, by its own settings", () => {
    const upstream = upstreamWith({ settings: { poll_interval_s: 2.5 } });
    expect(upstream.problem).toBeNull();
    expect(upstream.lane.pausedUntilMs).toBe(0);
    expect(upstream.accessOf(null)).toMatchObject({
      schedule: { kind: "fixed", intervalMs: 2500 },
      credentialVersion: 1,
    });
  });

  test("a connection has its provider's schedule unless it sets its own", () => {
    const access = upstreamWith({ settings: {} }).accessOf(null);
    expect(access?.schedule).toEqual(builtInOnly().ofJob("pulse", null)?.schedule);
  });

  test("a connection may override each of its provider's limits", () => {
    const clock = new FakeClock();
    let started = 0;
    const limits = { concurrency: 3, requests_per_second: 1, burst: 2 };
    const upstream = newUpstream({ poll: () => void (started += 1) }, clock);
    for (let slot = 0; slot < 10; slot += 1) upstream.lane.push(slot, clock.monotonic());
    upstream.configure(storedConnection({ settings: { limits } }));
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
  ])("an unusable connection sends nothing and says why: %s", ([, changes, problem]) => {
    const upstream = upstreamWith(changes);
    expect(upstream.accessOf(null)).toBeNull();
    expect(upstream.problem).toMatch(problem);
    expect(upstream.problemOf(null)).toBe(upstream.problem);
    expect(upstream.lane.pausedUntilMs).toBe(Infinity);
  });

  test("a connection whose credential was sealed with a missing key sends nothing and says why", () => {
    const [sealing, other] = [1, 2].map((byte) => createSecretBox([Buffer.alloc(32, byte)]));
    const upstream = newUpstream({ secretBox: other ?? openBox });
    const { id } = storedConnection({});
    const sealed = sealing?.seal(CREDENTIAL, { column: "connections.credential", id });
    upstream.configure(storedConnection({ credential: sealed ?? "" }));
    expect(upstream.problem).toContain("RINGBACK_ENCRYPTION_KEYS");
    expect(upstream.accessOf(null)).toBeNull();
  });

  test("an unusable connection sends nothing until it is configured again", () => {
    const upstream = upstreamWith({ state: "paused" });
    upstream.configure(storedConnection({ credentialVersion: 2 }));
    expect(upstream.credentialVersion).toBe(2);
    expect(upstream.accessOf(null)?.credentialVersion).toBe(2);
    expect(upstream.lane.pausedUntilMs).toBe(0);
  });

  test("a connection sends nothing until a suspension that could not be recorded is taken back", () => {
    const upstream = upstreamWith();
    upstream.suspend("HTTP 401");
    expect([upstream.credentialVersion, upstream.problem]).toEqual([null, "HTTP 401"]);
    upstream.restore(5_000);
    expect(upstream.problem).toBeNull();
    expect(upstream.accessOf(null)).not.toBeNull();
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
    { kind: "credential_rejected", reason: echo, isPlain: true },
    {
      kind: "running",
      phase: "processing",
      progress: null,
      hintMs: null,
      unknownStatus: echo,
      times,
    },
  ])("a credential that an upstream echoes is redacted: $kind", (observation) => {
    const redacted = JSON.stringify(upstreamWith().accessOf(null)?.redact(observation));
    expect(redacted).toContain("before [redacted] and [redacted] after");
  });

  test("a credential that an upstream echoes stays in a result, which is the client's own", () => {
    const observation: Observation = { kind: "completed", result: `"${echo}"`, times };
    expect(upstreamWith().accessOf(null)?.redact(observation)).toEqual(observation);
  });

  test("a credential that an upstream echoes is redacted from a job's progress and times, which stay JSON", () => {
    const redact = upstreamWith({ credential: "31415926535" }).accessOf(null)?.redact;
    const running: Observation = {
      kind: "running",
      phase: "processing",
      progress: '{"note":"31415926535","pages":31415926535}',
      hintMs: null,
      unknownStatus: null,
      times,
    };
    const redacted = redact?.(running);
    expect(redacted).not.toMatchObject({ progress: expect.stringContaining("314") });
    expect(redacted).toMatchObject({ progress: expect.stringContaining("[redacted]") });
    expect(redacted?.kind === "running" && JSON.parse(redacted.progress ?? "")).toBeTruthy();
    const at = { createdAt: "31415926535", updatedAt: "at 31415926535" };
    expect(redact?.({ kind: "failed", error: "no", times: at })).toMatchObject({
      times: { createdAt: "[redacted]", updatedAt: "at [redacted]" },
    });
  });

  test.each([
    ["base64", Buffer.from(`user:${CREDENTIAL}!`).toString("base64")],
    ["a URL", encodeURIComponent(JSON.stringify(CREDENTIAL))],
    ["escapes", CREDENTIAL.replaceAll(/./g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`)],
    ["a text that was cut", `${CREDENTIAL.slice(0, -1)}…`],
  ])("a credential that an upstream echoes in %s is redacted", (_, encoded) => {
    const observation: Observation = { kind: "failed", error: `bad: ${encoded}`, times };
    const redacted = JSON.stringify(upstreamWith().accessOf(null)?.redact(observation));
    expect(redacted).toContain("bad: ");
    expect(redacted).toContain("[redacted]");
    expect(redacted).not.toContain(encoded.slice(6, 14));
  });

  test("a credential as short as a word is not searched for", () => {
    const observation: Observation = { kind: "failed", error: "the file is bad", times };
    const access = upstreamWith({ credential: "file" }).accessOf(null);
    expect(access?.redact(observation)).toEqual(observation);
  });
});

describe("a turn ahead of the polls", () => {
  const ONE_AT_ONCE = { settings: { limits: { concurrency: 1 } } };

  test("a turn ahead comes at once while there is a free one, and leaves no timer", () => {
    const clock = new FakeClock();
    const upstream = newUpstream({}, clock);
    upstream.configure(storedConnection(ONE_AT_ONCE));
    expect(upstream.takeTurnAhead(1_000)).toEqual(expect.any(Number));
    expect(clock.timers).toBe(0);
  });

  test("a turn ahead comes before polls that have been due for longer", async () => {
    const clock = new FakeClock();
    const polled: unknown[] = [];
    const upstream = newUpstream({ poll: (slot) => void polled.push(slot) }, clock);
    upstream.configure(storedConnection(ONE_AT_ONCE));
    const first = await upstream.takeTurnAhead(1_000);
    upstream.lane.push(7, clock.monotonic());
    const second = upstream.takeTurnAhead(1_000);
    upstream.lane.settle(HEALTHY, first ?? 0);
    expect(await second).toEqual(expect.any(Number));
    expect(polled).toEqual([]);
    upstream.lane.settle(HEALTHY, (await second) ?? 0);
    expect(polled.length).toBe(1);
  });

  test("a turn ahead that does not come in time is given up, and none is lost", async () => {
    const clock = new FakeClock();
    const upstream = newUpstream({}, clock);
    upstream.configure(storedConnection(ONE_AT_ONCE));
    const first = await upstream.takeTurnAhead(1_000);
    const late = upstream.takeTurnAhead(1_000);
    clock.advance(1_000);
    expect(await late).toBeNull();
    upstream.lane.settle(HEALTHY, first ?? 0);
    expect(upstream.takeTurnAhead(1_000)).toEqual(expect.any(Number));
  });
});
