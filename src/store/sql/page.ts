/** Before and behind all ids. */
export const LOWEST_ID = "00000000-0000-0000-0000-000000000000";
export const HIGHEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** The id that a page begins below: of the first page one that is behind all. */
export function beforeOrFirst(beforeId: string | null): string {
  return beforeId ?? HIGHEST_ID;
}

/** A page of a list, newest first. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Where the next page goes on, or null when nothing is left. */
  readonly lastId: string | null;
}

/** How far a page has looked. */
export interface Scanned {
  readonly scannedCount: number;
  readonly scannedLastId: string | null;
}

/** A row of a scan: of a page without any that matches, one in which all but the scan is null. */
export type ScannedRow<Row> = Scanned & { readonly [Name in keyof Row]: Row[Name] | null };

/**
 * How many rows one page may look through for those that its filters want. A page may thus be
 * short, even empty, and yet not be the last: no filter can make a request read everything.
 */
const ROWS_SCANNED_MAX = 5_000;

/** How many rows to look through for a page. One more than it holds tells whether another follows. */
export function scanOf(limit: number, isFiltered: boolean): number {
  return isFiltered ? ROWS_SCANNED_MAX : limit + 1;
}

/** Those rows of a scan that match. */
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

/** A page of rows of which one more was read than it holds, if there is one. */
export function cutPage<Row extends { readonly id: string }>(
  rows: readonly Row[],
  limit: number,
): Page<Row> {
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}
