import { describe, expect, test } from "vitest";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../src/outbound/exchange/request-outcome.ts";
import { tryLive } from "../../src/polling/live-trial.ts";
import { Upstream } from "../../src/polling/upstream/upstream.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import type { StoredConnection } from "../../src/store/connections/load-connections.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { CONNECTION_ID } from "../support/rows.ts";
import {
  answeredJson,
  CREDENTIAL,
  openBox,
  openGate,
  storedConnection,
  NO_CEILINGS,
} from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

const DONE = { status: "done", output: { pages: 3 } };

/** A connection at the example provider, and an upstream that answers as told. */
function setUp(
  changes: Partial<ProviderDefinitionSource> = {},
  connection: Partial<StoredConnection> = {},
) {
  const clock = new FakeClock();
  const provider = exampleProvider(changes);
  const upstream = new Upstream(testRuntime({ clock }), CONNECTION_ID, {
    providers: { current: () => provider, ofJob: () => provider },
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    gateOf: () => openGate(clock),
    poll: () => undefined,
    isCurrent: () => false,
  });
  upstream.configure(
    storedConnection({
      provider: "example",
      baseUrl: null,
      agreedHosts: ["https://api.example.com"],
      ...connection,
    }),
  );
  const sent: OutboundRequest[] = [];
  let outcome: RequestOutcome = answeredJson(DONE);
  return {
    clock,
    upstream,
    sent,
    answer(next: RequestOutcome): void {
      outcome = next;
    },
    tryOut: (jobId = "a") =>
      tryLive(
        testRuntime({ clock }),
        upstream,
        {
          known: { provider, source: "project", version: null },
          job: { jobId, params: {} },
          ageMs: 0,
          seenBefore: false,
        },
        {
          send(request) {
            sent.push(request);
            return Promise.resolve(outcome);
          },
        },
      ),
  };
}

test("a job is asked about once, with the credential, and its answer read step by step", async () => {
  const { sent, tryOut } = setUp();
  expect(await tryOut("a/b")).toMatchObject({
    kind: "answered",
    asked: { method: "GET", url: "https://api.example.com/jobs/a%2Fb" },
    answer: { status: 200, body: JSON.stringify(DONE) },
    trial: { decided_by: "/rules/1", observation: { kind: "completed" } },
  });
  expect(sent).toMatchObject([{ headers: { authorization: `Bearer ${CREDENTIAL}` } }]);
});

test("a result that takes a second request is not asked for", async () => {
  const { sent, tryOut } = setUp({
    result: { kind: "request", request: { path: "/files/{job_id}" } },
  });
  expect(await tryOut()).toMatchObject({ trial: { observation: { kind: "result_wanted" } } });
  expect(sent).toHaveLength(1);
});

describe("the credential is in nothing that is shown", () => {
  test("when the upstream echoes it, at whatever place a long answer is cut", async () => {
    const { answer, tryOut } = setUp();
    for (const padding of [0, 980, 8180]) {
      const echo = "x".repeat(padding) + CREDENTIAL;
      const body = { status: echo, error: { message: echo }, output: [echo] };
      answer(answeredJson(body, 200, { "x-echo": CREDENTIAL, "set-cookie": "session" }));
      const shown = JSON.stringify(await tryOut());
      for (let length = 6; length <= CREDENTIAL.length; length += 1) {
        expect(shown).not.toContain(CREDENTIAL.slice(0, length));
      }
      expect(shown).toContain("[redacted]");
      expect(shown).not.toContain("session");
    }
  });

  test.each(["k", "a long enough key"])("when it goes in the query: %s", async (credential) => {
    const auth = { kind: "query", name: "key" } as const;
    const { sent, tryOut } = setUp({ auth }, { credential });
    const outcome = await tryOut();
    expect(sent[0]?.path).toBe(`/jobs/a?key=${encodeURIComponent(credential)}`);
    expect(outcome).toMatchObject({
      asked: { url: "https://api.example.com/jobs/a?[credential]" },
    });
  });

  test("when no answer comes, and the reason holds it", async () => {
    const { answer, tryOut } = setUp();
    const failure = { code: "connect_failed", message: `no route for ${CREDENTIAL}` } as const;
    answer({ kind: "failed", failure, durationMs: 1 });
    expect(await tryOut()).toMatchObject({
      kind: "not_answered",
      reason: "no route for [redacted]",
      consequence: expect.stringContaining("outage"),
    });
  });
});

describe("nothing is asked", () => {
  test("where the credential was not given for", async () => {
    const { sent, tryOut } = setUp({ base_url: "https://evil.example" });
    expect(await tryOut()).toMatchObject({
      kind: "not_asked",
      problem: expect.stringContaining("leads to https://evil.example"),
    });
    expect(sent).toEqual([]);
  });

  test("through a connection that is paused", async () => {
    const { tryOut } = setUp({}, { state: "paused" });
    expect(await tryOut()).toMatchObject({
      kind: "not_asked",
      problem: expect.stringContaining("paused"),
    });
  });

  test("while the connection's limits leave no room, and not after it was given up", async () => {
    const { clock, upstream, sent, tryOut } = setUp({ limits: { concurrency: 1 } });
    expect(await upstream.takeTurn(1000)).not.toBeNull();
    const waiting = tryOut();
    await clock.advanceSettling(10_000);
    expect(await waiting).toMatchObject({ kind: "not_asked" });
    upstream.lane.settle({ kind: "healthy" });
    expect(sent).toEqual([]);
    expect(upstream.lane.inFlight).toBe(0);
  });
});

describe("the connection", () => {
  test("is asked within its limits: a trial waits for its turn", async () => {
    const { upstream, sent, tryOut } = setUp({ limits: { concurrency: 1 } });
    await upstream.takeTurn(1000);
    const waiting = tryOut();
    expect(sent).toEqual([]);
    upstream.lane.settle({ kind: "healthy" });
    expect(await waiting).toMatchObject({ kind: "answered" });
    expect(upstream.lane.inFlight).toBe(0);
  });

  test("learns of a rate limit", async () => {
    const { clock, upstream, answer, tryOut } = setUp();
    answer(answeredJson({}, 429, { "retry-after": "7" }));
    await tryOut();
    expect(upstream.lane.pausedUntilMs).toBe(clock.monotonic() + 7000);
  });

  test("is not paused by a refused credential, as it would be by a poll", async () => {
    const { upstream, answer, tryOut } = setUp();
    answer(answeredJson({}, 401));
    expect(await tryOut()).toMatchObject({
      trial: { observation: { kind: "credential_rejected" } },
    });
    expect(upstream.problem).toBeNull();
    expect(upstream.lane.pausedUntilMs).toBe(0);
  });
});
