/** Response headers by lower-case name; a repeated header may come as an array. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Nothing an upstream or a receiver asks for makes us wait longer than a day. */
export const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;

const NUMBER = /^(?:\d+\.?\d*|\.\d+)$/;
// RFC 9110 5.6.7: one preferred form and two obsolete ones that must be understood; and RFC 3339,
// which some put into reset headers. Date.parse alone would read "5 apples" as a date.
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;
const RFC_3339_DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

// A reset header counts in seconds from now or from 1970, some in milliseconds from 1970. No real
// delay is as long as 31 years, and no date in seconds is as late as the year 33658.
const EPOCH_SECONDS_MIN = 1e9;
const EPOCH_MILLISECONDS_MIN = 1e12;

/**
 * How many milliseconds an HTTP answer asks to be left alone, 0 to 24 h, or null when it doesn't
 * say: `retry-after-ms`, then `Retry-After` (seconds or a date), then each of `resetHeaders`
 * (such as `x-ratelimit-reset`; seconds from now or since 1970, or a date). Values that can't be
 * understood count as absent.
 */
export function parseRetryAfter(
  headers: HeaderValues,
  nowMs: number,
  resetHeaders: readonly string[] = [],
): number | null {
  const asked =
    firstUnderstood(headers, "retry-after-ms", parseMilliseconds) ??
    firstUnderstood(headers, "retry-after", (value) => parseDelay(value, nowMs));
  if (asked !== null) return asked;
  for (const name of resetHeaders) {
    const reset = firstUnderstood(headers, name, (value) => parseReset(value, nowMs));
    if (reset !== null) return reset;
  }
  return null;
}

/** A header that holds a plain count of seconds or milliseconds, as 0 to 24 h in ms, or null. */
export function parseWaitHeader(
  headers: HeaderValues,
  name: string,
  unit: "ms" | "s",
): number | null {
  return firstUnderstood(headers, name, unit === "ms" ? parseMilliseconds : parseSeconds);
}

/** A plain count of seconds or milliseconds, as 0 to 24 h in ms, or null. */
export function parseWait(text: string, unit: "ms" | "s"): number | null {
  return unit === "ms" ? parseMilliseconds(text) : parseSeconds(text);
}

function firstUnderstood(
  headers: HeaderValues,
  name: string,
  parse: (value: string) => number | null,
): number | null {
  const value = headers[name];
  if (value === undefined) return null;
  for (const one of Array.isArray(value) ? value : [value]) {
    const parsed = typeof one === "string" ? parse(one.trim()) : null;
    if (parsed !== null) return parsed;
  }
  return null;
}

function parseMilliseconds(value: string): number | null {
  return NUMBER.test(value) ? clampMs(Number(value)) : null;
}

function parseSeconds(value: string): number | null {
  return NUMBER.test(value) ? clampMs(Number(value) * 1000) : null;
}

function parseDelay(value: string, nowMs: number): number | null {
  return parseSeconds(value) ?? parseDate(value, nowMs);
}

function parseReset(value: string, nowMs: number): number | null {
  const count = NUMBER.test(value) ? Number(value) : 0;
  if (count >= EPOCH_MILLISECONDS_MIN) return clampMs(count - nowMs);
  if (count >= EPOCH_SECONDS_MIN) return clampMs(count * 1000 - nowMs);
  return parseDelay(value, nowMs);
}

function parseDate(value: string, nowMs: number): number | null {
  const isDate = IMF_FIXDATE.test(value) || RFC_850_DATE.test(value) || RFC_3339_DATE.test(value);
  // The only form without a zone; it means GMT, where Date.parse would take local time.
  const zoned = ASCTIME_DATE.test(value) ? `${value} GMT` : isDate ? value : null;
  const at = zoned === null ? Number.NaN : Date.parse(zoned);
  return Number.isNaN(at) ? null : clampMs(at - nowMs);
}

function clampMs(ms: number): number {
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(0, Math.ceil(ms)));
}
