import { and, eq, getTableColumns, gte, isNotNull, isNull, lte, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { connections } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

const {
  pausedAtMs: _,
  probes,
  createdAtMs: __,
  deletedAtMs,
  environment: ___,
  ...COLUMNS
} = getTableColumns(connections);

/** A connection as the engine needs it; the credential is still sealed. */
export interface StoredConnection extends Readonly<
  Pick<typeof connections.$inferSelect, keyof typeof COLUMNS>
> {
  readonly isDeleted: boolean;
}

const LOAD = statement((orm, given: Given<{ sinceMs: number }>) =>
  orm
    .select({ ...COLUMNS, isDeleted: sql<boolean>`${deletedAtMs} is not null` })
    .from(connections)
    .where(gte(connections.updatedAtMs, timeOf(given.sinceMs)))
    .orderBy(connections.updatedAtMs, connections.id),
);

/** The connections changed since that time, deleted ones included. 0 loads all. */
export function loadConnections(
  database: Database,
  changedSinceMs: number,
): Promise<StoredConnection[]> {
  return database.run("load-connections", (sql) => LOAD(sql, { sinceMs: changedSinceMs }));
}

/** A connection with the credential that it had when something was learned about it. */
type KnownConnection = Pick<StoredConnection, "id" | "credentialVersion">;

/** Whether the connection still has that credential. */
const isUnchanged = (given: Given<KnownConnection>) =>
  and(eq(connections.id, given.id), eq(connections.credentialVersion, given.credentialVersion));

const PAUSE = statement((orm, given: Given<KnownConnection & { reason: string }>) =>
  orm
    .update(connections)
    .set({
      state: "paused",
      pausedReason: sql`${given.reason}`,
      pausedAtMs: sql`now()`,
      probeAtMs: sql`now() + interval '15 seconds'`,
      probes: 0,
      updatedAtMs: sql`now()`,
    })
    .where(and(isUnchanged(given), eq(connections.state, "active"), isNull(deletedAtMs))),
);

/**
 * Pauses a connection whose credential the upstream refused, unless a newer credential was stored
 * after the refused request was sent.
 */
export async function pauseConnection(
  database: Database,
  connection: KnownConnection,
  reason: string,
): Promise<void> {
  await database.run("pause-connection", (sql) => PAUSE(sql, { ...connection, reason }));
}

// Probes come at growing intervals, at most a quarter of an hour. Each is claimed by one node.
const CLAIM_PROBE = statement((orm, given: Given<KnownConnection>) =>
  orm
    .update(connections)
    .set({
      probeAtMs: sql`now() + least(900, 15 * 2 ^ least(${probes} + 1, 10)) * interval '1 second'`,
      probes: sql`${probes} + 1`,
      updatedAtMs: sql`now()`,
    })
    .where(
      and(
        isUnchanged(given),
        eq(connections.state, "paused"),
        isNull(deletedAtMs),
        lte(connections.probeAtMs, sql`now() + interval '50 milliseconds'`),
      ),
    )
    .returning({ id: connections.id }),
);

/** True when this node should probe a paused connection; no other node does so at the same time. */
export async function claimProbe(
  database: Database,
  connection: KnownConnection,
): Promise<boolean> {
  const claimed = await database.run("claim-probe", (sql) => CLAIM_PROBE(sql, connection));
  return claimed.length > 0;
}

const RESUME = statement((orm, given: Given<KnownConnection>) =>
  orm
    .update(connections)
    .set({
      state: "active",
      pausedReason: null,
      pausedAtMs: null,
      probeAtMs: null,
      probes: 0,
      updatedAtMs: sql`now()`,
    })
    .where(
      and(isUnchanged(given), eq(connections.state, "paused"), isNotNull(connections.probeAtMs)),
    ),
);

/** Resumes a connection whose probe was accepted; a pause by hand remains. */
export async function resumeConnection(
  database: Database,
  connection: KnownConnection,
): Promise<void> {
  await database.run("resume-connection", (sql) => RESUME(sql, connection));
}
