const RECENT = 16;
const recent: { readonly ms: number; readonly text: string }[] = [];

/** An ISO 8601 time of epoch milliseconds. Responses repeat the same few times. */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null): string | null;
export function isoTime(ms: number | null): string | null {
  if (ms === null) return null;
  const place = Math.trunc(ms) & (RECENT - 1);
  const known = recent[place];
  if (known?.ms === ms) return known.text;
  const text = new Date(ms).toISOString();
  recent[place] = { ms, text };
  return text;
}
