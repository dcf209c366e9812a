import postgres from "postgres";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openOutageScene } from "./outage-scene.ts";

/** Readiness names a fault of the database this soon, with nothing asked of the node. */
const NAMED_WITHIN_S = 5;

let scene: Awaited<ReturnType<typeof openOutageScene>>;
let admin: postgres.Sql;
/** Calls of what the monitor reports each probe to. */
let probed: { readonly mock: { readonly calls: readonly unknown[] } };

beforeEach(async () => {
  scene = await openOutageScene();
  admin = postgres(scene.api.databaseUrl, { max: 1, onnotice: () => {} });
  probed = vi.spyOn(scene.database.health, "probed");
  await scene.monitor.start();
  await roundEnds();
});
afterEach(async () => {
  await admin.end({ timeout: 1 });
  await scene.close();
});

/**
 * A probe takes real time, and has a longer limit than a second; its round ends with the timer of the
 * next.
 */
async function roundEnds(): Promise<void> {
  await vi.waitFor(() => expect(scene.clock.nextTimerMs).toBeLessThanOrEqual(1_000), {
    timeout: 60_000,
    interval: 10,
  });
}

/** Lets so many seconds pass, each with a round of the monitor. */
async function passSeconds(seconds: number, during: () => unknown = () => {}): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await scene.clock.advanceSettling(1_000);
    await during();
    await roundEnds();
  }
}

/** The same, a call being answered in each, as a gateway looks for changes. */
function passLooking(seconds: number): Promise<void> {
  return passSeconds(seconds, () => scene.database.run("look", (sql) => sql`select 1`));
}

async function readiness(): Promise<unknown> {
  const response = await scene.ask("GET", "/readyz");
  const body = (await response.json()) as { reasons?: unknown };
  return { status: response.status, reasons: body.reasons ?? [] };
}

test("readiness names a database that swallows everything within 5 s", async () => {
  expect(await readiness()).toEqual({ status: 200, reasons: [] });
  scene.proxy.freeze();
  await scene.clock.advanceSettling(NAMED_WITHIN_S * 1_000);
  await scene.clock.advanceSettling(0);
  expect(await readiness()).toEqual({ status: 503, reasons: ["database_unreachable"] });
});

test("readiness names a database that swallows everything within 5 s of the last answer of many", async () => {
  await passLooking(2);
  scene.proxy.freeze();
  await scene.clock.advanceSettling(NAMED_WITHIN_S * 1_000);
  await scene.clock.advanceSettling(0);
  expect(await readiness()).toEqual({ status: 503, reasons: ["database_unreachable"] });
});

test("a database that answers calls is probed no more often than its disk", async () => {
  await passLooking(1);
  const { length: before } = probed.mock.calls;
  await passLooking(8);
  expect(probed.mock.calls.length - before).toBe(2);
});

test("readiness names a database that became read-only within 5 s", async () => {
  const [row] = await admin<{ name: string }[]>`select current_database() as name`;
  await admin`alter database ${admin(row?.name ?? "")} set default_transaction_read_only = on`;
  // A failover takes the connections with it.
  scene.proxy.cut();
  await passSeconds(NAMED_WITHIN_S);
  expect(await readiness()).toEqual({ status: 503, reasons: ["database_read_only"] });
});

test("readiness of a node that writes nothing names a full disk within 5 s, and later that it has room", async () => {
  // The error of a full disk, in place of the function that the probe spills to disk with.
  await admin`create schema fault`;
  await admin`
    create function fault.repeat(text, integer) returns text language plpgsql as $$ begin
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$`;
  const [row] = await admin<{ name: string }[]>`select current_database() as name`;
  const name = admin(row?.name ?? "");
  await admin`alter database ${name} set search_path = fault, pg_catalog, public`;
  scene.proxy.cut();
  await passSeconds(NAMED_WITHIN_S);
  expect(await readiness()).toEqual({ status: 503, reasons: ["database_full"] });
  await admin`drop schema fault cascade`;
  await passSeconds(NAMED_WITHIN_S);
  expect(await readiness()).toEqual({ status: 200, reasons: [] });
});
