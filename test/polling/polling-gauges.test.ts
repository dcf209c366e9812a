import { expect, test } from "vitest";
import { publicId } from "../../src/core/ids/ids.ts";
import { registerPollingGauges } from "../../src/polling/polling-gauges.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { uuids } from "../support/rows.ts";
import { watchLimitedUpstream } from "./limited-upstream.ts";

/** Scraped values of a metric, by its label. */
async function scraped(metrics: Metrics, name: string): Promise<Record<string, number>> {
  const { body } = await metrics.scrape(true);
  const series = body.matchAll(new RegExp(`^${name}\\{\\w+="([^"]+)"\\} (\\S+)$`, "gm"));
  return Object.fromEntries([...series].map(([, label = "", value]) => [label, Number(value)]));
}

function setGauges(upstream: Parameters<typeof watchLimitedUpstream>[0] = { limiter: null }) {
  const scene = watchLimitedUpstream(upstream);
  const metrics = new Metrics();
  registerPollingGauges(metrics, scene.list);
  return { ...scene, of: (name: string) => scraped(metrics, `ringback_${name}`) };
}

test("a connection that can't keep up is seen: its rate, how many polls wait, and for how long", async () => {
  const { connect, run, of } = setGauges();
  const [busy, idle] = [uuids(Date.now(), 0), uuids(Date.now(), 0)];
  const settings = { poll_interval_s: 1, limits: { requests_per_second: 10 } };
  connect(200, { id: busy, settings });
  connect(3, { id: idle });
  run(100);
  const [busyId, idleId] = [publicId("connection", busy), publicId("connection", idle)];
  expect(await of("connection_jobs")).toEqual({ [busyId]: 200, [idleId]: 3 });
  expect(await of("connection_requests_per_second_max")).toEqual({ [busyId]: 10 });
  const behind = await of("connection_behind_seconds");
  // Two hundred jobs at ten a second are twenty seconds from poll to poll, one of them wanted.
  expect(behind[busyId]).toBeGreaterThan(18);
  expect(behind[busyId]).toBeLessThan(20);
  expect(behind[idleId]).toBe(0);
  const waiting = await of("connection_polls_waiting");
  expect(waiting[busyId]).toBeGreaterThan(180);
  expect(await of("connection_polls_in_flight")).toHaveProperty(busyId);
});

test("a connection without jobs is not shown, and no more than 500 are: the furthest behind", async () => {
  const { connect, run, of } = setGauges();
  const settings = { poll_interval_s: 1, limits: { requests_per_second: 1 } };
  const slow = uuids(Date.now(), 0);
  for (let connection = 0; connection < 510; connection += 1) {
    connect(1, { id: uuids(Date.now(), 0) });
  }
  connect(10, { id: slow, settings });
  connect(0, { id: uuids(Date.now(), 0) });
  run(10);
  const jobs = await of("connection_jobs");
  expect(Object.keys(jobs)).toHaveLength(500);
  expect(jobs[publicId("connection", slow)]).toBe(10);
});

test("origins are counted by breaker", async () => {
  const { connect, of } = setGauges();
  connect(1, { baseUrl: "https://one.test" });
  connect(1, { id: uuids(Date.now(), 0), baseUrl: "https://two.test" });
  expect(await of("upstream_origins")).toEqual({ closed: 2, open: 0, half_open: 0 });
});
