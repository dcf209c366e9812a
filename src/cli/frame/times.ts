const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/**
 * How far a moment is from another one, such as `in 5 s` or `3 min ago`. Both are the gateway's, so this
 * machine's clock does not matter.
 */
export function ago(moment: string | null, asOf: string): string {
  if (moment === null) return "at no known time";
  const ms = Date.parse(moment) - Date.parse(asOf);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(ms) >= size) ?? ["ms", 1];
  const count = Math.round(Math.abs(ms) / size);
  if (unit === "ms") return "now";
  return ms > 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
}

/** A moment to the second, in UTC: `2026-01-31 12:00:00Z`. */
export function clockTime(moment: string): string {
  return `${moment.slice(0, 19).replace("T", " ")}Z`;
}
