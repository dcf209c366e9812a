import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import postgres from "postgres";
import { expect, test, vi } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { useGatewayProcesses } from "../support/gateway-process.ts";
import { seedDeliveries } from "../support/seeded-deliveries.ts";

const DELIVERIES = 50_000;
const ORIGINS = 4;
const ATTEMPTS_BEFORE = 12;

const processes = useGatewayProcesses();

/** Takes callbacks as fast as they come and remembers how often each one did. */
async function openCounters(): Promise<{
  readonly origins: string[];
  readonly taken: ReadonlyMap<string, number>;
  readonly close: () => void;
}> {
  const taken = new Map<string, number>();
  const servers = Array.from({ length: ORIGINS }, () =>
    createServer((request, response) => {
      const id = String(request.headers["webhook-id"]);
      taken.set(id, (taken.get(id) ?? 0) + 1);
      request.resume();
      response.writeHead(204).end();
    }),
  );
  await Promise.all(servers.map((server) => once(server.listen(0, "127.0.0.1"), "listening")));
  const origins = servers.map(
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  return {
    origins,
    taken,
    close: () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

test(
  "a redelivery of 50,000 that is killed half-way is continued by another node, with none left out and none taken twice",
  { timeout: 600_000 },
  async (context) => {
    const [database, counters] = await Promise.all([createTestDatabase(), openCounters()]);
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    context.onTestFinished(async () => {
      counters.close();
      await sql.end({ timeout: 1 });
      await database.drop();
    });
    const env = gatewayEnvironment(database.url, { LOG_LEVEL: "info" });
    const first = await processes.start(context, env);
    const [project] = await sql<{ id: string }[]>`select id from projects`;
    await seedDeliveries(sql, {
      count: DELIVERIES,
      projectId: project?.id ?? "",
      origins: counters.origins,
      attempts: ATTEMPTS_BEFORE,
      fromMs: Date.now() - 24 * 3_600_000,
    });
    const wish = { status: "exhausted", deliveries_per_second: 10_000 };
    const counted = await first.api("POST", "/v1/redeliveries", { ...wish, dry_run: true });
    // On a busy machine counting takes longer than a request may, and goes on after it.
    const countPath = `/v1/redeliveries/${counted.body.id}`;
    expect(await first.until(countPath, ({ state }) => state !== "running")).toMatchObject({
      state: "completed",
      matched: DELIVERIES,
    });

    // Slowly, so that it is far from its end when the process goes, however busy the machine is.
    const { body } = await first.api("POST", "/v1/redeliveries", {
      ...wish,
      deliveries_per_second: 2_000,
    });
    const path = `/v1/redeliveries/${body.id}`;
    await first.until(path, ({ redelivered }) => redelivered >= DELIVERIES / 10);
    await vi.waitFor(() => expect(counters.taken.size).toBeGreaterThan(0), { timeout: 60_000 });
    await first.crash();
    const [left] = await sql`select state, redelivered::int from redeliveries where not is_dry_run`;
    expect(left).toMatchObject({ state: "running" });
    expect(left?.["redelivered"]).toBeLessThan(DELIVERIES);
    // As 15 s later: until then the shards are the dead node's.
    await sql`update nodes set lease_expires_at = now()`;
    await sql`update redeliveries set per_second = ${wish.deliveries_per_second}`;

    const second = await processes.start(context, env);
    await vi.waitFor(() => expect(counters.taken.size).toBe(DELIVERIES), {
      timeout: 400_000,
      interval: 50,
    });
    expect(await second.until(path, ({ state }) => state !== "running")).toMatchObject({
      state: "completed",
      matched: DELIVERIES,
      redelivered: DELIVERIES,
      skipped: 0,
    });
    await vi.waitFor(
      async () => {
        const rows = await sql`
          select status, attempts_before, attempt_count, count(*)::int from deliveries
          group by 1, 2, 3`;
        // Each was owed again once, and took one attempt that was recorded.
        expect(rows).toEqual([
          {
            status: "delivered",
            attempts_before: ATTEMPTS_BEFORE,
            attempt_count: ATTEMPTS_BEFORE + 1,
            count: DELIVERIES,
          },
        ]);
      },
      { timeout: 60_000, interval: 100 },
    );
  },
);
