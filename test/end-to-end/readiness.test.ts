import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { UNREADINESS_REASONS } from "../../src/core/readiness.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

/*
 * Every reason of the closed list, each brought about by its real fault and seen through the route
 * that load balancers ask.
 */

const openScene = useScenes({ RINGBACK_DRAIN_MS: "60000" });
const seen = new Set<string>();
/** On another database, since some faults shut everyone out of the gateway's own. */
let admin: postgres.Sql;

beforeAll(() => {
  admin = postgres(inject("postgresUrl"), { max: 1, onnotice: () => {} });
});
afterAll(() => admin.end({ timeout: 1 }));

type Gateway = Awaited<ReturnType<typeof openScene>>["gateway"];

/** Waits until `/readyz` names these reasons and no other. */
async function expectReasons(gateway: Gateway, reasons: readonly string[]): Promise<void> {
  const { body } = await vi.waitFor(
    async () => {
      const answer = await gateway.api("GET", "/readyz");
      expect(answer.body.reasons ?? []).toEqual(reasons);
      expect(answer.status).toBe(reasons.length === 0 ? 200 : 503);
      return answer;
    },
    { timeout: 60_000, interval: 50 },
  );
  for (const reason of reasons) {
    seen.add(reason);
    expect(body.detail).toContain(UNREADINESS_REASONS[reason as keyof typeof UNREADINESS_REASONS]);
  }
}

const nameOf = (gateway: Gateway) => new URL(gateway.databaseUrl).pathname.slice(1);

/** Ends every connection to the gateway's database. */
async function cutConnections(gateway: Gateway): Promise<void> {
  await admin`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = ${nameOf(gateway)}`;
}

test("readiness says that the database can't be reached", async (context) => {
  const { gateway } = await openScene(context);
  await expectReasons(gateway, []);
  await admin`alter database ${admin(nameOf(gateway))} allow_connections false`;
  await cutConnections(gateway);
  await expectReasons(gateway, ["database_unreachable"]);
  await admin`alter database ${admin(nameOf(gateway))} allow_connections true`;
  await expectReasons(gateway, []);
});

test("readiness says that the database is read-only", async (context) => {
  const { gateway } = await openScene(context);
  const name = admin(nameOf(gateway));
  await admin`alter database ${name} set default_transaction_read_only = on`;
  await cutConnections(gateway);
  await expectReasons(gateway, ["database_read_only"]);
  await admin`alter database ${name} reset default_transaction_read_only`;
  await cutConnections(gateway);
  await expectReasons(gateway, []);
});

test("readiness says that the database's disk is full", async (context) => {
  const { gateway } = await openScene(context);
  const { sql } = gateway;
  await sql`
    create function out_of_space() returns trigger language plpgsql as $$ begin
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$`;
  await sql`create trigger fault before update on nodes execute function out_of_space()`;
  await expectReasons(gateway, ["database_full"]);
  await sql`drop trigger fault on nodes`;
  await expectReasons(gateway, []);
});

test("readiness says that the lease was lost", async (context) => {
  const { gateway } = await openScene(context);
  await gateway.sql.begin(async (tx) => {
    await tx`lock table nodes in access exclusive mode`;
    await expectReasons(gateway, ["lease_lost"]);
  });
  await expectReasons(gateway, []);
});

test("readiness says that an event has been unrecorded for too long", async (context) => {
  const scene = await openScene(context);
  const { gateway, upstream, receiver } = scene;
  await scene.subscribe();
  await upstream.polled(scene.jobId, 1);
  await gateway.sql.begin(async (tx) => {
    await tx`lock table events in access exclusive mode`;
    upstream.answer(scene.jobId, pulseAnswer.completed());
    await vi.waitFor(
      async () => {
        const { text } = await gateway.api("GET", "/metrics");
        expect(text).toMatch(/^ringback_oldest_unrecorded_event_seconds (?!0$)/m);
      },
      { timeout: 60_000, interval: 50 },
    );
    gateway.clock.shift(20_000);
    await expectReasons(gateway, ["events_unrecorded"]);
  });
  await expectReasons(gateway, []);
  await receiver.takeOne(scene.path);
});

test("readiness says that the node is stopping while it still serves, and every reason was seen", async (context) => {
  const { gateway } = await openScene(context);
  const hurried = Promise.withResolvers<void>();
  const draining = gateway.drain(hurried.promise);
  await expectReasons(gateway, ["stopping"]);
  hurried.resolve();
  await draining;
  expect([...seen].sort()).toEqual(Object.keys(UNREADINESS_REASONS).sort());
});
