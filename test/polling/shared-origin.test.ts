import { describe, expect, test } from "vitest";
import { exampleProvider } from "../providers/example-provider.ts";
import { uuids } from "../support/rows.ts";
import { OUTAGE, RUNNING, UNAUTHORIZED } from "./jobs.ts";
import { watchLimitedUpstream } from "./limited-upstream.ts";
import { startPoller } from "./poller-harness.ts";

const OTHER_ORIGIN = "https://elsewhere.test";

const newId = () => uuids(Date.now(), 0);

describe("connections to one origin", () => {
  test("connections to one origin get equal shares of it when it is short, even if one has a hundred times the jobs", () => {
    const { connect, run } = watchLimitedUpstream({ limiter: null, pollsPerOriginMax: 8 });
    const [large, small] = [newId(), newId()];
    connect(10_000, { id: large, projectId: newId() });
    connect(100, { id: small, projectId: newId() });
    run(10);
    const answers = run(60);
    const ofSmall = answers.filter(({ connectionId }) => connectionId === small).length;
    expect(ofSmall / answers.length).toBeGreaterThan(0.48);
    expect(ofSmall / answers.length).toBeLessThan(0.52);
  });

  test("connections of one project share the project's part of an origin", () => {
    const { connect, run } = watchLimitedUpstream({ limiter: null, pollsPerOriginMax: 8 });
    const [project, another, single] = [newId(), newId(), newId()];
    for (let connection = 0; connection < 9; connection += 1) {
      connect(200, { id: newId(), projectId: project });
    }
    connect(200, { id: single, projectId: another });
    run(10);
    const answers = run(60);
    const ofSingle = answers.filter(({ connectionId }) => connectionId === single).length;
    expect(ofSingle / answers.length).toBeGreaterThan(0.48);
    expect(ofSingle / answers.length).toBeLessThan(0.52);
  });

  test("connections leave unused shares of an origin to others", () => {
    const { connect, run } = watchLimitedUpstream({ limiter: null, pollsPerOriginMax: 8 });
    const idle = newId();
    connect(10_000, { id: newId(), projectId: newId() });
    connect(2, { id: idle, projectId: newId() });
    run(10);
    const answers = run(60);
    const ofIdle = answers.filter(({ connectionId }) => connectionId === idle).length;
    expect(ofIdle).toBeGreaterThan(100);
    // Four at once, half of what there is, of 50 ms each are 80 a second.
    expect(answers.length).toBeGreaterThan(0.97 * 80 * 60);
  });
});

describe("connections that are moved", () => {
  test("connections that are moved from origin to origin leave none of them behind, and others keep their breakers", async () => {
    const { clock, poller, upstream, connect, add } = startPoller();
    const { upstreams } = poller.watches;
    const failing = { id: newId(), projectId: newId(), baseUrl: OTHER_ORIGIN };
    connect(failing);
    upstream.answer = () => OUTAGE;
    for (let job = 0; job < 30; job += 1) {
      add({ connectionId: failing.id, projectId: failing.projectId });
    }
    await clock.advanceSettling(60_000);
    expect(upstreams.loadOf(failing.id)?.breaker).not.toBe("closed");
    const moved = { id: newId(), projectId: newId() };
    for (let number = 0; number < 10_000; number += 1) {
      connect({ ...moved, baseUrl: `https://api-${number}.test` });
    }
    expect(upstreams.originCount).toBeLessThan(2_100);
    expect(upstreams.loadOf(failing.id)?.breaker).not.toBe("closed");
    expect(upstreams.countOrigins("closed")).toBeLessThan(2_100);
  });
});

describe("projects that poll one origin", () => {
  const REFUSED = {
    kind: "failed",
    failure: { code: "connect_refused", message: "The host refused the connection" },
    durationMs: 1,
  } as const;

  test("projects that poll one origin are not slowed down by another's failing polls, answers or definition", async () => {
    const { clock, requests, poller, upstream, connect, add } = startPoller();
    const other = { id: newId(), projectId: newId(), credential: "key-of-the-other" };
    connect(other);
    upstream.answer = (_path, _poll, _origin, key) => (key === other.credential ? OUTAGE : RUNNING);
    const before = { mine: 0 };
    const mine = (): number => requests.filter(({ key }) => key !== other.credential).length;
    for (let job = 0; job < 5; job += 1) add();
    await clock.advanceSettling(60_000);
    before.mine = mine();
    for (let job = 0; job < 100; job += 1) {
      add({ connectionId: other.id, projectId: other.projectId });
    }
    await clock.advanceSettling(60_000);
    // As many as in the minute before.
    expect(mine() - before.mine).toBeGreaterThanOrEqual(before.mine - 5);
    const { upstreams } = poller.watches;
    expect(upstreams.loadOf(other.id)?.breaker).not.toBe("closed");
    expect([upstreams.countOrigins("closed"), upstreams.countOrigins("open")]).toEqual([1, 1]);
  });

  test("a project can't make an origin look unreachable by jobs whose own URLs lead nowhere", async () => {
    const provider = exampleProvider({
      status: { url_param: "url" },
      allowed_hosts: ["*.dead.example"],
    });
    const { clock, requests, poller, upstream, connect, add } = startPoller(
      { baseUrl: null },
      provider,
    );
    const paramsOf = (host: string) => JSON.stringify({ url: `https://${host}/jobs/1` });
    upstream.answer = (_path, _poll, origin) =>
      origin.endsWith(".dead.example") ? REFUSED : RUNNING;
    for (let project = 0; project < 3; project += 1) {
      const of = { id: newId(), projectId: newId() };
      connect({ ...of, baseUrl: null, provider: provider.name });
      for (let job = 0; job < 30; job += 1) {
        const params = paramsOf(`host${job}.dead.example`);
        add({ connectionId: of.id, projectId: of.projectId, params });
      }
    }
    await clock.advanceSettling(30_000);
    const before = requests.length;
    add({ params: paramsOf("api.example.com") });
    await clock.advanceSettling(10_000);
    const mine = requests
      .slice(before)
      .filter(({ origin }) => origin === "https://api.example.com");
    expect(mine.length).toBeGreaterThanOrEqual(5);
    expect(poller.watches.upstreams.countOrigins("closed")).toBe(1);
  });

  test("projects that poll an unreachable origin probe it together", async () => {
    const { clock, requests, upstream, connect, add } = startPoller();
    upstream.answer = () => REFUSED;
    for (let project = 0; project < 50; project += 1) {
      const of = { id: newId(), projectId: newId() };
      connect(of);
      add({ connectionId: of.id, projectId: of.projectId });
    }
    await clock.advanceSettling(120_000);
    const before = requests.length;
    await clock.advanceSettling(600_000);
    // One each 30 s, the longest time for which the breaker is open.
    expect(requests.length - before).toBeLessThanOrEqual(20);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(30_000);
    const asked = new Set(requests.slice(-200).map(({ path }) => path));
    expect(asked.size).toBe(50);
  });
});

describe("an outage", () => {
  test("an outage stops the polls of all connections to the origin except for a probe, and of no other", async () => {
    const { clock, poller, requests, upstream, connect, add } = startPoller();
    const [second, elsewhere] = [newId(), newId()];
    connect({ id: second });
    connect({ id: elsewhere, baseUrl: OTHER_ORIGIN });
    upstream.answer = (_path, _poll, origin) => (origin === OTHER_ORIGIN ? RUNNING : OUTAGE);
    for (let job = 0; job < 30; job += 1) add();
    await clock.advanceSettling(0);
    const before = requests.length;
    add({ connectionId: second });
    add({ connectionId: elsewhere });
    await clock.advanceSettling(900);
    expect(requests.slice(before).map(({ origin }) => origin)).toEqual([OTHER_ORIGIN]);
    await clock.advanceSettling(60_000);
    const probes = requests.slice(before).filter(({ origin }) => origin !== OTHER_ORIGIN);
    expect(probes.length).toBeLessThan(10);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(120_000);
    expect(poller.watches.upstreams.loadOf(second)).toMatchObject({ breaker: "closed" });
    expect(new Set(requests.map(({ path }) => path)).size).toBe(32);
  });

  test("an outage is reported when it begins and when it is over", async () => {
    const { clock, logged, upstream, add } = startPoller();
    upstream.answer = () => OUTAGE;
    for (let job = 0; job < 30; job += 1) add();
    await clock.advanceSettling(120_000);
    const begun = { origin: "https://pulse.test", msg: expect.stringContaining("only probed") };
    expect(logged).toMatchObject([begun]);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(60_000);
    expect(logged).toMatchObject([begun, { msg: "an upstream answers again" }]);
  });

  test("an outage is not over because a poll was never sent", async () => {
    const { clock, poller, requests, upstream, connect, add } = startPoller();
    const unusable = newId();
    // Its credential can't be a header, which is found out when the first of its jobs is due.
    connect({ id: unusable, credential: "a\r\nb" });
    upstream.answer = () => OUTAGE;
    for (let job = 0; job < 30; job += 1) add();
    await clock.advanceSettling(0);
    const before = requests.length;
    add({ connectionId: unusable });
    // Its turn to probe comes first; the one after it tells that the outage goes on.
    await clock.advanceSettling(1_000);
    expect(requests).toHaveLength(before + 1);
    expect(poller.watches.upstreams.countOrigins("open")).toBe(1);
  });

  test("an outage is not over because a URL may not be requested", async () => {
    const provider = exampleProvider({ status: { url_param: "url" }, limits: { concurrency: 64 } });
    const { clock, poller, requests, upstream, add } = startPoller({ baseUrl: null }, provider);
    const paramsOf = (host: string) => JSON.stringify({ url: `https://${host}/jobs/1` });
    upstream.answer = () => OUTAGE;
    for (let job = 0; job < 30; job += 1) add({ params: paramsOf("api.example.com") });
    await clock.advanceSettling(0);
    const before = requests.length;
    // Its turn to probe comes first.
    clock.advance(900);
    add({ params: paramsOf("elsewhere.example") });
    await clock.advanceSettling(100);
    expect(requests).toHaveLength(before + 1);
    expect(poller.watches.upstreams.countOrigins("open")).toBe(1);
  });

  test("an outage delays no deadline", async () => {
    const { clock, recorded, upstream, add } = startPoller();
    upstream.answer = () => OUTAGE;
    for (let job = 0; job < 30; job += 1) add();
    add({ deadlineAtMs: clock.now() + 20_000 });
    await clock.advanceSettling(19_999);
    expect(recorded).toEqual([]);
    await clock.advanceSettling(1);
    expect(recorded).toMatchObject([{ status: "timed_out" }]);
  });
});

test("a refused credential of one connection leaves another of the same provider and origin polling", async () => {
  const { clock, requests, paused, upstream, connect, add } = startPoller();
  const other = newId();
  connect({ id: other, credential: "key-of-the-other" });
  upstream.answer = (_path, _poll, _origin, key) =>
    key === "key-of-the-other" ? RUNNING : UNAUTHORIZED;
  add();
  add({ connectionId: other });
  await clock.advanceSettling(10_000);
  const keys = requests.map(({ key }) => key);
  expect(keys.filter((key) => key === "key-of-the-other").length).toBeGreaterThan(8);
  expect(keys.filter((key) => key !== "key-of-the-other")).toHaveLength(1);
  expect(paused).toHaveLength(1);
});
