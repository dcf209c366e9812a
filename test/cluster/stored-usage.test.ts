import { expect, test } from "vitest";
import { StoredUsage } from "../../src/cluster/stored-usage.ts";
import type { Database } from "../../src/store/db/database.ts";
import { countStored, countStoredOfAll } from "../../src/store/sql/stored-counts.ts";
import { ApiFixture } from "../api/api-fixture.ts";
import { objectsOf } from "../api/objects-of.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { testRuntime } from "../support/runtime.ts";

test("the counts of all projects together are those of each of them", async () => {
  const api = await ApiFixture.open();
  try {
    await objectsOf(api, "counted-provider");
    const second = api.uuid();
    await api.addProject(second, "second");
    await api.addKey(["admin"], { projectId: second });
    const nowMs = api.clock.now();
    const all = await countStoredOfAll(api.database, nowMs);
    expect(all.size).toBeGreaterThan(1);
    let most = 0;
    for (const [projectId, counts] of all) {
      const own = await countStored(api.database, projectId, nowMs);
      const some = Object.fromEntries(Object.entries(own).filter(([, count]) => count > 0));
      expect(counts).toEqual(some);
      most = Math.max(most, Object.keys(some).length);
    }
    expect(most).toBeGreaterThan(5);
  } finally {
    await api.close();
  }
});

test("scrapes share one count, and long ones are counted more seldom", async () => {
  const clock = new FakeClock();
  const counts: ((count: number | Error) => void)[] = [];
  const database: Database = {
    run: <T>() =>
      new Promise<T>((resolve, reject) => {
        counts.push((count) => {
          if (count instanceof Error) return reject(count);
          resolve([{ name: "connections", projectId: "x", count }] as T);
        });
      }),
    transaction: () => Promise.reject(new Error("A count takes no transaction.")),
  };
  const usage = new StoredUsage(testRuntime({ clock }), database);
  const scrape = (): number => {
    usage.refresh();
    return usage.used("x", "connections");
  };
  expect([scrape(), scrape(), counts.length]).toEqual([0, 0, 1]);
  clock.advance(500);
  counts[0]?.(7);
  await clock.advanceSettling(49_000);
  expect([scrape(), counts.length]).toEqual([7, 1]);
  clock.advance(1_000);
  expect([scrape(), counts.length]).toEqual([7, 2]);
  // While the database is away, the counts before are shown.
  counts[1]?.(new Error("away"));
  await clock.advanceSettling(10_000);
  expect([scrape(), counts.length]).toEqual([7, 3]);
  const stopped = usage.stop();
  counts[2]?.(8);
  await stopped;
  clock.advance(60_000);
  expect([scrape(), counts.length]).toEqual([8, 3]);
});
