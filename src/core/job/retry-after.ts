/** Response headers by lower-case name; a repeated header may come as an array. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Nothing an upstream or a receiver asks for makes us wait longer than a day. */
export const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
/** And nothing longer than an hour, unless its API is known for longer waits. */
export const BELIEVED_WAIT_MS_MAX = 60 * 60 * 1000;
/** A longer wait is a mistake of its sender: cutting it would still obey a number that means nothing. */
const MEANT_WAIT_MS_MAX = 7 * 24 * 60 * 60 * 1000;

const NUMBER = /^(?:\d+\.?\d*|\.\d+)$/;
// RFC 9110 5.6.7: one preferred form and two obsolete ones that must be understood; and RFC 3339,
// which some put into reset headers. Date.parse alone would read "5 apples" as a date.
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
// Mail libraries write the date of RFC 5322, which has other zones; curl and browsers read it.
const MAIL_DATE = /^(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}$/;
const MAIL_ZONE = / (?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T)$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;
// Also as Python and Ruby write it by default: with a blank, and with or without a zone.
const RFC_3339_DATE =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2}(?:\.\d+)?) ?(?:[Zz]|UTC|([+-]\d{2}):?(\d{2}))?$/;

// A count from 1970 is told from a count from now by its size: no real wait is as long as 31 years
// (or, in milliseconds, 11 days), and no date in seconds is as late as the year 33658.
const EPOCH_UNITS: readonly (readonly [from: number, perMs: number])[] = [
  [1e18, 1e6],
  [1e15, 1e3],
  [1e12, 1],
  [1e9, 1e-3],
];

const DURATION_CHARACTERS_MAX = 60;
const DURATION = /^(?:\d+(?:\.\d+)? ?[a-zµ]+ ?)+$/i;
const DURATION_PART = /(\d+(?:\.\d+)?) ?([a-zµ]+)/gi;
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ...["ns", "nanoseconds"].map((unit) => [unit, 1e-6] as const),
  ...["us", "µs", "microseconds"].map((unit) => [unit, 1e-3] as const),
  ...["ms", "milliseconds", "millisecond"].map((unit) => [unit, 1] as const),
  ...["s", "sec", "secs", "second", "seconds"].map((unit) => [unit, 1000] as const),
  ...["m", "min", "mins", "minute", "minutes"].map((unit) => [unit, 60_000] as const),
  ...["h", "hr", "hrs", "hour", "hours"].map((unit) => [unit, 3_600_000] as const),
  ...["d", "day", "days"].map((unit) => [unit, 86_400_000] as const),
]);

/** Read where nothing else says when a rate limit ends: drafts of the IETF's RateLimit headers. */
const STANDARD_RESET_HEADERS = ["ratelimit", "ratelimit-reset"];

interface WaitOptions {
  /** Read after Retry-After, such as `x-ratelimit-reset`, before the standard ones. Null for none. */
  readonly resetHeaders?: readonly string[] | null;
  /** Longer waits are not believed. */
  readonly maxMs?: number;
}

/** A wait that an answer asks for. */
export interface AskedWait {
  /** Null where the value can't be meant: then the wait is ours to choose. */
  readonly ms: number | null;
  /** How it is written and taken, for a person; null where it is taken at its word. */
  readonly note: string | null;
}

/** Reference times for reading a wait in a header. */
interface Reading {
  /** The sender's clock where the answer tells it, since that is what absolute times are told by. */
  readonly nowMs: number;
  readonly maxMs: number;
  /** Longer ones count as absent. */
  readonly meantMsMax?: number;
}

/**
 * How long an HTTP answer asks to be left alone, or null when it doesn't say: `retry-after-ms` or
 * Azure's `x-ms-retry-after-ms`, then `Retry-After`, then the reset headers. Each may be a number
 * (from now, or from 1970 in seconds to nanoseconds), a duration such as `6m0s`, a date, or, of
 * RateLimit, a structured field; in quotes, or several with commas between them. A reset header
 * counts only where its `…-remaining` does not say that requests are left. Values that can't be
 * understood count as absent, waits of more than a week too, and others are cut to `maxMs`.
 */
export function readRetryAfter(
  headers: HeaderValues,
  nowMs: number,
  { resetHeaders = null, maxMs = BELIEVED_WAIT_MS_MAX }: WaitOptions = {},
): AskedWait | null {
  const reading = readingOf(headers, nowMs, maxMs);
  const milliseconds = (value: string): number | null => parseCount(value, 1, reading);
  let asked =
    find(headers, "retry-after-ms", milliseconds, reading) ??
    find(headers, "x-ms-retry-after-ms", milliseconds, reading) ??
    find(headers, "retry-after", (value) => parseDelay(value, reading), reading);
  if (isBelieved(asked) || resetHeaders === null) return asked;
  for (const name of [...resetHeaders, ...STANDARD_RESET_HEADERS]) {
    if (hasRequestsLeft(headers, name)) continue;
    const reset = find(headers, name, (value) => parseReset(value, reading), reading);
    if (isBelieved(reset)) return reset;
    asked ??= reset;
  }
  return asked;
}

function isBelieved(asked: AskedWait | null): boolean {
  return asked !== null && asked.ms !== null;
}

/** The same in milliseconds alone. */
export function parseRetryAfter(
  headers: HeaderValues,
  nowMs: number,
  options?: WaitOptions,
): number | null {
  return readRetryAfter(headers, nowMs, options)?.ms ?? null;
}

/** A header that holds a count of seconds or milliseconds, or a duration, in ms; or null. */
export function parseWaitHeader(
  headers: HeaderValues,
  name: string,
  unit: "ms" | "s",
  { nowMs, maxMs, ...limits }: Reading,
): number | null {
  const reading = { ...readingOf(headers, nowMs, maxMs), ...limits };
  return find(headers, name, (value) => parseWait(value, unit, reading), reading)?.ms ?? null;
}

/** A count of seconds or milliseconds, or a duration such as `4s`, in ms; or null. */
export function parseWait(text: string, unit: "ms" | "s", reading: Reading): number | null {
  const value = text.trim();
  const ms = parseCount(value, unit === "ms" ? 1 : 1000, reading) ?? parseDuration(value);
  return ms === null || !isMeant(ms, reading) ? null : clampMs(ms, reading.maxMs);
}

function readingOf(headers: HeaderValues, ourNowMs: number, maxMs: number): Reading {
  const { date } = headers;
  const theirNowMs = typeof date === "string" ? parseDate(date.trim()) : null;
  return { nowMs: theirNowMs ?? ourNowMs, maxMs };
}

function find(
  headers: HeaderValues,
  name: string,
  parse: (value: string) => number | null,
  reading: Reading,
): AskedWait | null {
  const { maxMs } = reading;
  const value = headers[name];
  if (value === undefined) return null;
  const values: readonly string[] = typeof value === "string" ? [value] : value;
  let unbelieved: AskedWait | null = null;
  for (const one of values) {
    const parsed = parseLoosely(one.trim(), parse);
    if (parsed === null) continue;
    if (!isMeant(parsed, reading)) {
      unbelieved ??= { ms: null, note: `${name}: ${shown(one)}, which can't be meant` };
      continue;
    }
    const ms = clampMs(parsed, maxMs);
    // Reset headers hold seconds or milliseconds since 1970 as often as not.
    const isOdd =
      parsed > maxMs ||
      Number(one.replaceAll('"', "")) >= (name.includes("retry-after") ? 1e9 : 1e15);
    return { ms, note: isOdd ? `${name}: ${shown(one)}, taken as ${ms / 1000} s` : null };
  }
  return unbelieved;
}

const QUOTED = /^"(.*)"$/;
const JOINED = /,\s+/;

/** A value may be in quotes, and some join the values of a header that is sent twice. */
function parseLoosely(value: string, parse: (value: string) => number | null): number | null {
  const whole = parse(value.replace(QUOTED, "$1"));
  if (whole !== null || value.includes("=")) return whole;
  for (const part of value.split(JOINED)) {
    const ms = parse(part.replace(QUOTED, "$1"));
    if (ms !== null) return ms;
  }
  return null;
}

function isMeant(ms: number, { meantMsMax = MEANT_WAIT_MS_MAX }: Reading): boolean {
  return ms <= meantMsMax;
}

function shown(value: string): string {
  return value.trim().slice(0, 60);
}

/** Whether the header beside a reset header says that this limit is not the one that was met. */
function hasRequestsLeft(headers: HeaderValues, resetHeader: string): boolean {
  const remaining = headers[resetHeader.replace(/reset(?:-after)?/, "remaining")];
  return resetHeader.includes("reset") && typeof remaining === "string" && Number(remaining) > 0;
}

/** A number, from now or from 1970, in milliseconds from now. */
function parseCount(value: string, unitMs: number, { nowMs }: Reading): number | null {
  if (!NUMBER.test(value)) return null;
  const count = Number(value);
  const epoch = EPOCH_UNITS.find(([from]) => count >= from);
  return epoch === undefined ? count * unitMs : count / epoch[1] - nowMs;
}

function parseDelay(value: string, reading: Reading): number | null {
  const fromNow = parseCount(value, 1000, reading) ?? parseDuration(value);
  if (fromNow !== null) return fromNow;
  const atMs = parseDate(value);
  return atMs === null ? null : atMs - reading.nowMs;
}

function parseReset(value: string, reading: Reading): number | null {
  return parseDelay(value, reading) ?? parseRateLimit(value);
}

function parseDuration(value: string): number | null {
  if (value.length > DURATION_CHARACTERS_MAX || !DURATION.test(value)) return null;
  let ms = 0;
  for (const [, count, unit = ""] of value.matchAll(DURATION_PART)) {
    const unitMs = UNIT_MS.get(unit.toLowerCase());
    if (unitMs === undefined) return null;
    ms += Number(count) * unitMs;
  }
  return ms;
}

const RESET_PARAM = /(?:^|[,;\s])reset=(\d+)/i;
const REMAINING_PARAM = /(?:^|[,;\s])remaining=(\d+)/i;
const LEFT_PARAM = /;\s*r=(\d+)/i;
const TIME_PARAM = /;\s*t=(\d+)/i;

/**
 * The RateLimit header of the IETF's drafts: `limit=100, remaining=0, reset=4`, or since the eighth
 * a list of policies such as `"default";r=0;t=4`, of which those that are used up count.
 */
function parseRateLimit(value: string): number | null {
  const reset = RESET_PARAM.exec(value)?.[1];
  if (reset !== undefined) {
    return Number(REMAINING_PARAM.exec(value)?.[1] ?? 0) > 0 ? null : Number(reset) * 1000;
  }
  const waits = value.split(",").flatMap((policy) => {
    const seconds = TIME_PARAM.exec(policy)?.[1];
    const isUsedUp = Number(LEFT_PARAM.exec(policy)?.[1] ?? Number.NaN) === 0;
    return seconds !== undefined && isUsedUp ? [Number(seconds) * 1000] : [];
  });
  return waits.length === 0 ? null : Math.max(...waits);
}

/** Epoch milliseconds, or null. */
function parseDate(value: string): number | null {
  const zoned = zonedDate(value);
  const at = zoned === null ? Number.NaN : Date.parse(zoned);
  return Number.isNaN(at) ? null : at;
}

/** The date with its zone; null for other texts. */
function zonedDate(value: string): string | null {
  if (IMF_FIXDATE.test(value) || RFC_850_DATE.test(value)) return value;
  // Without a zone they mean GMT, where Date.parse would take local time.
  const [, day, time, hours, minutes] = RFC_3339_DATE.exec(value) ?? [];
  if (day !== undefined)
    return `${day}T${time}${hours === undefined ? "Z" : `${hours}:${minutes}`}`;
  if (ASCTIME_DATE.test(value) || MAIL_DATE.test(value)) return `${value} GMT`;
  return MAIL_DATE.test(value.replace(MAIL_ZONE, "")) ? value : null;
}

function clampMs(ms: number, maxMs: number): number {
  // Nanoseconds since 1970 don't fit into a double to the last.
  return Math.min(maxMs, Math.max(0, Math.ceil(Math.round(ms * 100) / 100)));
}
