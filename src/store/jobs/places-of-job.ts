import { and, eq } from "drizzle-orm";
import { shardOfJob } from "../../core/ids/ids.ts";
import type { Sql } from "../connection/connection.ts";
import { connections } from "../schema/schema.ts";
import { type Given, isIfGiven, statement } from "../sql/statement.ts";

/** A job id of a provider, which may be known through several connections. */
export interface NamedJob {
  readonly projectId: string;
  readonly jobId: string;
  /** Null for any. */
  readonly provider: string | null;
  /** A connection's name; null for any. */
  readonly connection: string | null;
}

const CONNECTIONS = statement(
  (orm, given: Given<Pick<NamedJob, "projectId" | "provider" | "connection">>) =>
    orm
      .select({ id: connections.id })
      .from(connections)
      .where(
        and(
          eq(connections.projectId, given.projectId),
          isIfGiven(connections.provider, given.provider),
          isIfGiven(connections.name, given.connection),
        ),
      ),
);

/**
 * Where a job of this id would be: a shard for each connection, deleted ones included.
 * @returns JSON, for `json_to_recordset(…) as place (shard_id smallint, connection_id uuid)`
 */
export async function placesOfJob(on: Sql, of: NamedJob): Promise<string> {
  const found = await CONNECTIONS(on, of);
  return JSON.stringify(
    found.map(({ id }) => ({ shard_id: shardOfJob(id, of.jobId), connection_id: id })),
  );
}
