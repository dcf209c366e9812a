import {
  and,
  desc,
  eq,
  gte,
  lt,
  type SQL,
  sql,
  type SQLWrapper,
  type Subquery,
  type WithSubquery,
} from "drizzle-orm";
import type { PgColumn, SelectedFields } from "drizzle-orm/pg-core";
import type { Builder, Given } from "./statement.ts";

/** Ids are made shortly before their row's time is set, on a clock that may be another node's. */
const SLACK_MS = 60_000;

/** Before everything that was created, in epoch milliseconds. */
export const BEFORE_ALL_MS = -1;

/**
 * A UUID below those of all rows created from `ms` on: ids start with their time, so a list that is
 * ordered by id can stop there.
 * @param ms epoch milliseconds
 */
export function firstIdAt(ms: number): string {
  return idAt(Math.max(0, ms - SLACK_MS));
}

/**
 * A UUID above those of all rows created before `ms`.
 * @param ms epoch milliseconds
 */
function lastIdAt(ms: number): string {
  return idAt(ms + SLACK_MS);
}

function idAt(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

/** Before and behind all ids. */
export const LOWEST_ID = "00000000-0000-0000-0000-000000000000";
export const HIGHEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Which page of a project's list to read. */
export interface PageQuery {
  readonly projectId: string;
  /** Only below this id; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
}

/** The id that a page begins below; for the first page, one above all ids. */
export function beforeOrFirst(beforeId: string | null): string {
  return beforeId ?? HIGHEST_ID;
}

/** Where the rows of a page lie, as parameters of its statement. */
export type PageWindow = Given<{
  projectId: string;
  beforeId: string;
  fromId: string;
  createdAfterMs: number;
  scan: number;
}>;

/**
 * The range of ids, and so of times, that a page is looked for in.
 * @param query times in epoch milliseconds; null for no limit
 */
export function windowOf(
  query: Pick<PageQuery, "beforeId"> & {
    readonly createdAfterMs: number | null;
    readonly createdBeforeMs?: number | null;
  },
): { readonly beforeId: string; readonly fromId: string; readonly createdAfterMs: number } {
  const { createdAfterMs, createdBeforeMs = null } = query;
  const beforeId = beforeOrFirst(query.beforeId);
  const endId = createdBeforeMs === null ? HIGHEST_ID : lastIdAt(createdBeforeMs);
  return {
    beforeId: endId < beforeId ? endId : beforeId,
    fromId: firstIdAt(createdAfterMs ?? 0),
    createdAfterMs: createdAfterMs ?? BEFORE_ALL_MS,
  };
}

/** True for the project's rows in the window. */
export function isInWindow(
  { projectId, id }: { readonly projectId: PgColumn; readonly id: PgColumn },
  given: PageWindow,
): SQL | undefined {
  return and(eq(projectId, given.projectId), lt(id, given.beforeId), gte(id, given.fromId));
}

/**
 * Counts the candidates of a page.
 * @param lastId the id of the last of them, over all of their rows
 */
export function scannedOf(orm: Builder, candidate: WithSubquery, lastId: SQL<string | null>) {
  return orm
    .select({
      count: sql<number>`count(*)::int`.as("scanned_count"),
      lastId: lastId.as("scanned_last_id"),
    })
    .from(candidate)
    .as("scanned");
}

/**
 * Selects the matching rows of a page, newest first, each with how many candidates were scanned and
 * the id of the last one. Without any match there is one row, in which only the scan is set.
 * @param lastId the id of the last candidate, over all of their rows
 */
export function selectMatching<Columns extends SelectedFields & { readonly id: SQLWrapper }>(
  orm: Builder,
  candidate: WithSubquery,
  lastId: SQL<string | null>,
  matching: Subquery<"matching", Columns> & { readonly id: SQLWrapper },
) {
  const scanned = scannedOf(orm, candidate, lastId);
  // A generic selection is not known to have columns, without which it can't be joined.
  const rows: Subquery<"matching"> = matching;
  return orm
    .with(candidate)
    .select({
      scannedCount: scanned.count,
      scannedLastId: scanned.lastId,
      ...matching._.selectedFields,
    })
    .from(scanned)
    .leftJoin(rows, sql`true`)
    .orderBy(desc(matching.id));
}

/** A page of a list, newest first. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Where the next page continues, or null when nothing is left. */
  readonly lastId: string | null;
}

/** How far a page has looked. */
interface Scanned {
  readonly scannedCount: number;
  readonly scannedLastId: string | null;
}

/** A row of a scan. A page without any match has one row in which only the scan is set. */
type ScannedRow<Row> = Scanned & { readonly [Name in keyof Row]: Row[Name] | null };

/**
 * Rows that one page may scan for matches. A page may thus be short, even empty, without being the
 * last: no filter can make a request read everything.
 */
const ROWS_SCANNED_MAX = 5_000;

/** How many rows to scan for a page. One more than it holds shows whether another follows. */
export function scanOf(limit: number, isFiltered: boolean): number {
  return isFiltered ? ROWS_SCANNED_MAX : limit + 1;
}

/** The matching rows of a scan. */
export function matchingOf<Row extends { readonly id: string }>(
  rows: readonly ScannedRow<Row>[],
): (Row & Scanned)[] {
  return rows.filter(({ id }) => id !== null) as (Row & Scanned)[];
}

/** Cuts the rows of a scan into a page. */
export function pageOf<Row extends { readonly id: string }>(
  rows: readonly ScannedRow<Row>[],
  { limit, scan }: { readonly limit: number; readonly scan: number },
): Page<Row> {
  const matching = matchingOf<Row>(rows);
  if (matching.length > limit) return cutPage(matching, limit);
  const [first] = rows;
  const isScanFull = first !== undefined && first.scannedCount >= scan;
  return { rows: matching, lastId: isScanFull ? first.scannedLastId : null };
}

/** A page from rows that were read with one extra row, if there is one. */
export function cutPage<Row extends { readonly id: string }>(
  rows: readonly Row[],
  limit: number,
): Page<Row> {
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

/**
 * A job's subscriptions in the order of their ids, in SQL, to be followed by a limit: it reads no
 * more rows than that. Compared as pairs and ordered by both columns, since only the index by job
 * gives that order: with a plain comparison of the job, the planner may go through all
 * subscriptions of the shard in the order of their ids.
 */
export function subscriptionsInOrder(of: {
  readonly columns: string;
  readonly shardId: string;
  readonly jobRowId: string;
  /** The last subscription before the range. */
  readonly afterId: string;
  /** The last subscription of the range. */
  readonly upToId: string;
}): string {
  return `
select ${of.columns} from subscriptions as candidate
where candidate.shard_id = ${of.shardId}
  and (candidate.job_row_id, candidate.id) > (${of.jobRowId}, ${of.afterId})
  and (candidate.job_row_id, candidate.id) <= (${of.jobRowId}, ${of.upToId})
order by candidate.job_row_id, candidate.id`;
}
