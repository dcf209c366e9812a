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
  test("a trial never shows the credential that the upstream echoes, wherever a long answer is cut", async () => {
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

  test.each(["k", "a long enough key"])(
    "a trial never shows the credential that is sent in the query: %s",
    async (credential) => {
      const auth = { kind: "query", name: "key" } as const;
      const { sent, tryOut } = setUp({ auth }, { credential });
      const outcome = await tryOut();
      expect(sent[0]?.path).toBe(`/jobs/a?key=${encodeURIComponent(credential)}`);
      expect(outcome).toMatchObject({
        asked: { url: "https://api.example.com/jobs/a?[credential]" },
      });
    },
  );

  test("a trial never shows the credential when no answer comes and the reason holds it", async () => {
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
  test("a trial sends nothing to a host that the credential was not given for", async () => {
    const { sent, tryOut } = setUp({ base_url: "https://evil.example" });
    expect(await tryOut()).toMatchObject({
      kind: "not_asked",
      problem: expect.stringContaining("leads to https://evil.example"),
    });
    expect(sent).toEqual([]);
  });

  test("a trial sends nothing through a paused connection", async () => {
    const { tryOut } = setUp({}, { state: "paused" });
    expect(await tryOut()).toMatchObject({
      kind: "not_asked",
      problem: expect.stringContaining("paused"),
    });
  });

  test("a trial sends nothing while the connection's limits leave no room, nor after it was given up", async () => {
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
  test("a trial waits for its turn within the connection's limits", async () => {
    const { upstream, sent, tryOut } = setUp({ limits: { concurrency: 1 } });
    await upstream.takeTurn(1000);
    const waiting = tryOut();
    expect(sent).toEqual([]);
    upstream.lane.settle({ kind: "healthy" });
    expect(await waiting).toMatchObject({ kind: "answered" });
    expect(upstream.lane.inFlight).toBe(0);
  });

  test("a trial teaches the connection a rate limit", async () => {
    const { clock, upstream, answer, tryOut } = setUp();
    answer(answeredJson({}, 429, { "retry-after": "7" }));
    await tryOut();
    expect(upstream.lane.pausedUntilMs).toBe(clock.monotonic() + 7000);
  });

  test("a refused credential in a trial does not pause the connection, as it would in a poll", async () => {
    const { upstream, answer, tryOut } = setUp();
    answer(answeredJson({}, 401));
    expect(await tryOut()).toMatchObject({
      trial: { observation: { kind: "credential_rejected" } },
    });
    expect(upstream.problem).toBeNull();
    expect(upstream.lane.pausedUntilMs).toBe(0);
  });
});
