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

/** The columns that tell how far a page has looked. */
export interface ScannedRow {
  readonly scanned_count: number;
  readonly scanned_last_id: string | null;
}

/**
 * How many rows one page may look through for those that its filters want. A page may thus be
 * short, even empty, and yet not be the last: no filter can make a request read everything.
 */
const ROWS_SCANNED_MAX = 5_000;

/** How many rows to look through for a page. One more than it holds tells whether another follows. */
export function scanOf(limit: number, isFiltered: boolean): number {
  return isFiltered ? ROWS_SCANNED_MAX : limit + 1;
}

/** Cuts the rows of a scan into a page. */
export function pageOf<Row extends { readonly id: string }>(
  rows: readonly (ScannedRow & (Row | { readonly id: null }))[],
  { limit, scan }: { readonly limit: number; readonly scan: number },
): Page<Row> {
  const matching = rows.filter((row): row is ScannedRow & Row => row.id !== null);
  const page = matching.slice(0, limit);
  if (matching.length > limit) return { rows: page, lastId: page.at(-1)?.id ?? null };
  const [first] = rows;
  const isScanFull = first !== undefined && first.scanned_count >= scan;
  return { rows: page, lastId: isScanFull ? first.scanned_last_id : null };
}
