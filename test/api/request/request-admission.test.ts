import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RequestAdmission } from "../../../src/api/request/request-admission.ts";
import { LoopCrowd } from "../../../src/lanes/shares/loop-crowd.ts";
import { checkedApp } from "../../support/checked-app.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { TestLimits } from "../../support/project-limits.ts";
import { ApiFixture, CALLBACK_URL } from "../api-fixture.ts";

const HELD_MS = 250;

describe("a refusal", () => {
  function scene(perSecond: number) {
    const clock = new FakeClock();
    const limits = new TestLimits({ requests_per_second: perSecond });
    const admission = new RequestAdmission(limits, clock);
    const refused: string[] = [];
    const ask = async (projectId: string): Promise<void> => {
      const { refusal } = await admission.admit(projectId);
      if (refusal !== null) refused.push(projectId);
    };
    return { clock, admission, refused, ask };
  }

  test("a refusal in a flood is delayed a moment, and requests of others begin in between", async () => {
    const { clock, refused, ask } = scene(10);
    const flood = Array.from({ length: 50 }, () => ask("loud"));
    await clock.advanceSettling(HELD_MS - 1);
    expect(refused).toEqual([]);
    await ask("quiet");
    expect(refused).toEqual([]);
    await clock.advanceSettling(1);
    await Promise.all(flood);
    expect(refused).toEqual(Array.from({ length: 40 }, () => "loud"));
  });

  test("delayed refusals slow down a client that waits for them: 20 connections get 80 refusals a second", async () => {
    const { clock, refused, ask } = scene(1);
    const isOver = { value: false };
    const connection = async (): Promise<void> => {
      while (!isOver.value) await ask("loud");
    };
    const connections = Array.from({ length: 20 }, connection);
    // The burst has passed.
    await clock.advanceSettling(10_000);
    const before = refused.length;
    await clock.advanceSettling(1_000);
    expect(refused.length - before).toBeGreaterThan(60);
    expect(refused.length - before).toBeLessThanOrEqual(80);
    isOver.value = true;
    await clock.advanceSettling(HELD_MS);
    await Promise.all(connections);
  });

  test("refusals beyond the delayed ones are sent at once, and another project's are still delayed", async () => {
    const { clock, refused, ask } = scene(0);
    const flood = Array.from({ length: 5_000 }, () => ask("loud"));
    await clock.advanceSettling(0);
    expect(refused.length).toBeGreaterThan(0);
    const before = refused.length;
    const other = ask("other");
    await clock.advanceSettling(0);
    expect(refused).toHaveLength(before);
    await clock.advanceSettling(HELD_MS);
    await Promise.all([...flood, other]);
    expect(refused).toHaveLength(5_001);
  });

  test("refusals of keys are delayed by the client's network", async () => {
    const { clock, admission } = scene(0);
    const heard: string[] = [];
    const all = ["192.0.2.1", "2001:db8::1", "2001:db8::2"].map(async (address) => {
      heard.push(await admission.holdBackFrom(address, address));
    });
    await clock.advanceSettling(HELD_MS - 1);
    expect(heard).toEqual([]);
    await clock.advanceSettling(1);
    await Promise.all(all);
    expect(heard).toHaveLength(3);
  });
});

test.each([4, 20, 32])(
  "on a loop without idle time, whose turns take %d ms, each project may begin 250 requests a second",
  (turnMs) => {
    let stepMs = turnMs;
    let nowMs = 0;
    const crowd = new LoopCrowd({ nowMs: () => (nowMs += stepMs), idleMs: () => 0 });
    const admission = new RequestAdmission(new TestLimits(), new FakeClock(), { crowd });
    crowd.note("loud");
    crowd.note("quiet");
    for (let turn = 0; turn < 10; turn += 1) crowd.decide(0);
    // No decision follows, so the part stays.
    stepMs = 0;
    for (let request = 0; request < 100; request += 1) void admission.admit("loud");
    const begun = Array.from({ length: 100 }, () => admission.admit("quiet")).filter(
      (verdict) => !(verdict instanceof Promise),
    );
    expect((begun.length * 1000) / turnMs).toBe(250);
  },
);

describe("an answer that needs no key", () => {
  const BURST = 1_000;
  const COSTLY_BURST = 60;

  function scene() {
    const clock = new FakeClock();
    const admission = new RequestAdmission(new TestLimits(), clock);
    const isHeld = (address: string): boolean => admission.admitOpen(address) !== null;
    return { clock, admission, isHeld };
  }

  test("an answer without a key is delayed, and never refused, to an address that asks far too often", async () => {
    const { clock, admission, isHeld } = scene();
    for (let asked = 0; asked < BURST; asked += 1) expect(isHeld("203.0.113.1")).toBe(false);
    const answered: string[] = [];
    const late = admission.admitOpen("203.0.113.1")?.then(() => answered.push("late"));
    expect(isHeld("203.0.113.2")).toBe(false);
    await clock.advanceSettling(HELD_MS - 1);
    expect(answered).toEqual([]);
    await clock.advanceSettling(1);
    await late;
    expect(answered).toEqual(["late"]);
    await clock.advanceSettling(1_000);
    expect(isHeld("203.0.113.1")).toBe(false);
  });

  test("an answer that takes long is refused after a moment, to every address of an IPv6 network", async () => {
    const { clock, admission } = scene();
    for (let asked = 0; asked < COSTLY_BURST; asked += 1) {
      expect(await admission.admitCostly(`2001:db8::${asked.toString(16)}`)).toBeNull();
    }
    const refused = admission.admitCostly("2001:db8::ffff");
    expect(await admission.admitCostly("2001:db8:0:1::1")).toBeNull();
    await clock.advanceSettling(HELD_MS);
    expect(await refused).toMatchObject({ problem: { code: "too_many_requests" } });
    await clock.advanceSettling(1_000);
    expect(await admission.admitCostly("2001:db8::ffff")).toBeNull();
  });
});

describe("requests at the same time", () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await ApiFixture.open();
  });
  afterAll(() => api.close());

  test("a project's request begins after a few of the 300 that another project sent before it", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "quiet");
    await api.addConnection(projectId);
    const key = await api.addKey(["subscriptions:write"], { projectId });
    const own = await api.addKey(["subscriptions:write"]);
    const order: string[] = [];
    const app = checkedApp({
      ...api.services,
      acceptor: {
        accept: async ({ jobId }) => {
          order.push(jobId);
          return { kind: "overloaded" };
        },
      },
    });
    const subscribe = (jobId: string, by: string) =>
      app.request("/v1/subscriptions", {
        method: "POST",
        headers: { authorization: `Bearer ${by}`, "content-type": "application/json" },
        body: JSON.stringify({ job_id: jobId, callback_url: CALLBACK_URL }),
      });
    // Both keys are looked up once.
    await Promise.all([subscribe("first", own), subscribe("first", key)]);
    order.length = 0;
    const flood = Array.from({ length: 300 }, (_, index) => subscribe(`loud-${index}`, own));
    await Promise.all([...flood, subscribe("quiet", key)]);
    expect(order).toHaveLength(301);
    expect(order.indexOf("quiet")).toBeLessThan(40);
  });

  test("a project's small request is answered between two large bodies of another project, not after all of them", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "small");
    await api.addConnection(projectId);
    const key = await api.addKey(["subscriptions:write"], { projectId });
    const own = await api.addKey(["subscriptions:write"]);
    const order: string[] = [];
    const app = checkedApp({
      ...api.services,
      acceptor: {
        accept: async ({ jobId }) => {
          order.push(jobId);
          return { kind: "overloaded" };
        },
      },
    });
    const subscribe = (jobId: string, by: string, padding: number) => {
      const wanted = JSON.stringify({ job_id: jobId, callback_url: CALLBACK_URL });
      const body = wanted + " ".repeat(padding);
      const headers = {
        authorization: `Bearer ${by}`,
        "content-type": "application/json",
        "content-length": `${Buffer.byteLength(body)}`,
      };
      return app.request("/v1/subscriptions", { method: "POST", headers, body });
    };
    await Promise.all([subscribe("first", own, 0), subscribe("first", key, 0)]);
    order.length = 0;
    const loud = Array.from({ length: 40 }, (_, index) => subscribe(`loud-${index}`, own, 20_000));
    // They have come, and one or two of them have been read.
    while (order.length === 0) await nextTurn();
    await Promise.all([...loud, subscribe("quiet", key, 0)]);
    expect(order.indexOf("quiet")).toBeLessThan(10);
  });
});
