import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ConsumerClaims, UNRELEASED_MAX } from "../../../src/delivery/waits/consumer-claims.ts";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { QueueFullError } from "../../../src/store/writes/group-commit.ts";
import { openTestDatabase, type TestDatabase } from "../../support/database.ts";
import { PROJECT_ID, uuids } from "../../support/rows.ts";
import { testRuntime } from "../../support/runtime.ts";

const WORKER = { projectId: PROJECT_ID, name: "orders", consumer: "worker" };

let scene: TestDatabase & { readonly database: PooledDatabase };
let claims: ConsumerClaims;

beforeEach(async () => {
  scene = await openTestDatabase();
  claims = new ConsumerClaims(testRuntime(), scene.database, uuids(Date.now(), 0));
});
afterEach(() => scene.drop());

/** Makes changes of consumers fail, as while the database is away, until the result is called. */
async function failing(change: "claim" | "release"): Promise<() => Promise<unknown>> {
  const isRelease = change === "release";
  await execute(`
    create function fail_${change}() returns trigger language plpgsql as $$ begin
      raise exception 'terminating connection' using errcode = '57P01';
    end $$`);
  await execute(`
    create trigger fail_${change} before update on inbox_consumers
    for each row when ((new.reader_id is null) = ${isRelease}) execute function fail_${change}()`);
  return () => execute(`drop trigger fail_${change} on inbox_consumers`);
}

function execute(text: string): Promise<unknown> {
  return scene.database.run("test", (sql) => sql.unsafe(text));
}

const readers = (): Promise<unknown> => execute("select reader_id from inbox_consumers");

test("a claim that was not carried out does not hide an earlier one that could not be given back", async () => {
  const release = await claims.claim(scene.database, WORKER);
  const releasable = await failing("release");
  await release?.();
  const claimable = await failing("claim");
  await expect(claims.claim(scene.database, WORKER)).rejects.toMatchObject({ code: "57P01" });
  await releasable();
  await claimable();
  await claims.retry();
  expect(await readers()).toEqual([{ reader_id: null }]);
  expect(claims.unreleasedCount).toBe(0);
});

test("a later claim of the same consumer stays when an earlier one is given back", async () => {
  const release = await claims.claim(scene.database, WORKER);
  const releasable = await failing("release");
  await release?.();
  // A retry that is sent before the next claim, and carried out after it.
  const { database } = scene;
  const carriedOut = Promise.withResolvers<void>();
  const run = database.run.bind(database);
  vi.spyOn(database, "run").mockImplementation(async (name, work) => {
    if (name === "release-consumer") await carriedOut.promise;
    return run(name, work);
  });
  const retried = claims.retry();
  await releasable();
  expect(await claims.claim(database, WORKER)).not.toBeNull();
  carriedOut.resolve();
  await retried;
  expect(await readers()).toEqual([{ reader_id: expect.any(String) }]);
});

test("claims that can't be given back are bounded: beyond them, no other consumer is claimed until some are", async () => {
  const { database } = scene;
  const run = vi.spyOn(database, "run").mockRejectedValue(new Error("away"));
  const hurried = vi.fn<() => void>();
  claims.onUnreleased = hurried;
  for (let number = 0; number < UNRELEASED_MAX; number += 1) {
    const consumer = { ...WORKER, consumer: `worker-${number}` };
    await expect(claims.claim(database, consumer)).rejects.toThrow("away");
  }
  const another = { ...WORKER, consumer: "another" };
  await expect(claims.claim(database, another)).rejects.toThrow(QueueFullError);
  await expect(claims.claim(database, { ...WORKER, consumer: "worker-7" })).rejects.toThrow("away");
  expect(claims.unreleasedCount).toBe(UNRELEASED_MAX);

  run.mockRestore();
  hurried.mockClear();
  await claims.retry();
  // In steps, since messages are placed in between; the next follows soon.
  expect(claims.unreleasedCount).toBeLessThan(UNRELEASED_MAX);
  expect(claims.unreleasedCount).toBeGreaterThan(0);
  expect(hurried).toHaveBeenCalledOnce();
  expect(await claims.claim(database, another)).not.toBeNull();
});
