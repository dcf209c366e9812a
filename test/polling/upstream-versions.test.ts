import { describe, expect, test } from "vitest";
import { type JobProviders, Upstream } from "../../src/polling/upstream/upstream.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";
import type { StoredConnection } from "../../src/store/connections/load-connections.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { CONNECTION_ID, PROJECT_ID } from "../support/rows.ts";
import { openBox, openGate, storedConnection, NO_CEILINGS } from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

const STATUS = { path: "/jobs/{job_id}" };

/** A result that takes a second request, to a URL in the answer. */
function resultAt(pointer: string, more: object = {}): ProviderDefinitionSource["result"] {
  return { kind: "request", request: { url_at: [pointer], ...more } };
}

/** A connection at a provider whose definition has versions, the last of them in force. */
function upstreamOf(
  versions: Readonly<Record<string, Partial<ProviderDefinitionSource>>>,
  connection: Partial<StoredConnection> = {},
) {
  const providers = new Map<string, Provider>();
  for (const [id, changes] of Object.entries(versions)) providers.set(id, exampleProvider(changes));
  let started = 0;
  const finder: JobProviders = {
    current: () => [...providers.values()].at(-1) ?? null,
    ofJob: (_name, id) => providers.get(id ?? "") ?? null,
  };
  const clock = new FakeClock();
  const upstream = new Upstream(testRuntime({ clock }), CONNECTION_ID, {
    providers: finder,
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    gateOf: () => openGate(clock),
    poll: () => void (started += 1),
    isCurrent: () => true,
  });
  const configure = (changes: Partial<StoredConnection> = {}): void => {
    upstream.configure(
      storedConnection({
        provider: "example",
        baseUrl: null,
        settings: {},
        agreedHosts: ["https://api.example.com"],
        ...connection,
        ...changes,
      }),
    );
  };
  configure();
  return {
    upstream,
    configure,
    publish(id: string, changes: Partial<ProviderDefinitionSource>): void {
      providers.set(id, exampleProvider(changes));
      upstream.providerChanged();
    },
    /** How many of the jobs that are due are let through at once. */
    letThrough(): number {
      started = 0;
      for (let job = 0; job < 10; job += 1) {
        upstream.lane.push(job, clock.monotonic());
      }
      return started;
    },
  };
}

describe("a new version of a definition", () => {
  test("a new version of a definition leaves the jobs of older versions unchanged", () => {
    const { upstream, publish } = upstreamOf({
      v1: { schedule: { kind: "fixed", interval_s: 7 } },
    });
    const before = upstream.accessOf("v1");
    publish("v2", { schedule: { kind: "fixed", interval_s: 9 } });
    expect(upstream.accessOf("v1")).toBe(before);
    expect(upstream.accessOf("v1")?.schedule).toEqual({ kind: "fixed", intervalMs: 7000 });
    expect(upstream.accessOf("v2")?.schedule).toEqual({ kind: "fixed", intervalMs: 9000 });
  });

  test("a new version of a definition sets the limits of the connection, which all of its jobs share", () => {
    const { publish, letThrough } = upstreamOf({ v1: { limits: { concurrency: 1 } } });
    publish("v2", { limits: { concurrency: 3 } });
    expect(letThrough()).toBe(3);
  });

  test("a new version of a definition lifts no pause", () => {
    const { upstream, publish } = upstreamOf({ v1: {} });
    upstream.lane.pause(Infinity);
    publish("v2", {});
    expect(upstream.lane.pausedUntilMs).toBe(Infinity);
  });
});

describe("a stored credential is sent to no host that it was not given for", () => {
  test.for<[string, Partial<ProviderDefinitionSource>, string]>([
    ["another address", { base_url: "https://evil.example" }, "https://evil.example"],
    ["another port", { base_url: "https://api.example.com:8443" }, "https://api.example.com:8443"],
    ["another scheme", { base_url: "http://api.example.com" }, "http://api.example.com"],
    [
      "one more host, where a job may lead",
      { status: { url_param: "url" }, allowed_hosts: ["jobs.example"] },
      "jobs.example",
    ],
    [
      "one more host, where an answer may lead",
      { status: { ...STATUS, next_url: { header: "location" } }, allowed_hosts: ["jobs.example"] },
      "jobs.example",
    ],
    [
      "one more host, where a result may be",
      { result: resultAt("/url"), allowed_hosts: ["*.example.com"] },
      "*.example.com",
    ],
    [
      "one more host, where a result that is a link may lead",
      {
        result: {
          kind: "pointer",
          at: ["/link"],
          download: { url_at: [""], credential: true },
        },
        allowed_hosts: ["files.example"],
      },
      "files.example",
    ],
  ])(
    "a stored credential is sent to no new host when a new version names %s",
    ([, changes, named]) => {
      const { upstream, publish, configure } = upstreamOf({ v1: {} });
      publish("v2", changes);
      expect(upstream.accessOf("v2")).toBeNull();
      expect(upstream.problemOf("v2")).toContain(`leads to ${named}`);
      expect(upstream.accessOf("v1")).not.toBeNull();
      // Nothing else stops: the lane goes on for the jobs of the other version.
      expect(upstream.problem).toBeNull();
      configure({ agreedHosts: ["https://api.example.com", named] });
      expect(upstream.accessOf("v2")).not.toBeNull();
    },
  );

  test("a version that names fewer hosts needs no new approval", () => {
    const { upstream } = upstreamOf(
      { v1: { status: { url_param: "url" }, allowed_hosts: ["a.example"] } },
      { agreedHosts: ["https://api.example.com", "api.example.com", "a.example", "b.example"] },
    );
    expect(upstream.accessOf("v1")).not.toBeNull();
  });

  test.for<[string, Partial<ProviderDefinitionSource>]>([
    ["no URL is followed", { allowed_hosts: ["a.example"] }],
    [
      "URLs are followed without the credential",
      { result: resultAt("/url", { credential: false, hosts: ["files.example"] }) },
    ],
    [
      "links are fetched without the credential",
      {
        result: { kind: "pointer", at: ["/link"], download: { url_at: [""] } },
        allowed_hosts: ["files.example"],
      },
    ],
  ])("more hosts need no new approval where %s", ([, changes]) => {
    expect(upstreamOf({ v1: changes }).upstream.accessOf("v1")).not.toBeNull();
  });

  test("a stored credential without recorded hosts is not sent to new ones", () => {
    const { upstream } = upstreamOf({ v1: {} }, { agreedHosts: null });
    expect(upstream.accessOf("v1")).toBeNull();
  });

  test("a connection's own address stays approved whatever the definition says", () => {
    const { upstream } = upstreamOf(
      { v1: { base_url: "https://evil.example" } },
      { baseUrl: "https://mine.example/v1", agreedHosts: ["https://mine.example"] },
    );
    expect(upstream.accessOf("v1")?.target.origin).toBe("https://mine.example");
  });

  test("a connection without a credential needs no approval", () => {
    const { upstream } = upstreamOf(
      { v1: { auth: { kind: "none" } } },
      { credential: null, agreedHosts: null },
    );
    expect(upstream.accessOf("v1")).not.toBeNull();
  });
});

test("a job whose version is not known says so, until it is", () => {
  const { upstream, publish } = upstreamOf({ v1: {} });
  expect(upstream.problemOf("v0")).toMatch(/version of the provider example .* can't be read/);
  publish("v0", {});
  expect(upstream.problemOf("v0")).toBeNull();
});

test("a connection of another project is not concerned", () => {
  const { upstream } = upstreamOf({ v1: {} });
  expect(upstream.isOf(PROJECT_ID, "example")).toBe(true);
  expect(upstream.isOf(PROJECT_ID, "other")).toBe(false);
  expect(upstream.isOf(CONNECTION_ID, "example")).toBe(false);
});
