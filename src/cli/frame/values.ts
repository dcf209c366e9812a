import { InvalidArgumentError } from "commander";

/* How texts of the command line are read. Commander says which option a refusal is about. */

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DAY_MS = 86_400_000;
/** Longer timers would fire at once. */
const DURATION_MS_MAX = 2 ** 31 - 1;
const LONG_DURATION_MS_MAX = 400 * DAY_MS;

/** `90`, `90s`, `5m`, `2h` or `1d`, as milliseconds, for a timer of this process. */
export function durationMs(text: string): number {
  const ms = msFrom(text);
  if (ms <= DURATION_MS_MAX) return ms;
  throw new InvalidArgumentError("Give a time such as 30s, 5m or 2h, of 24 days at most.");
}

/** The same for a time that the gateway waits, which may be longer. */
export function longDurationMs(text: string): number {
  const ms = msFrom(text);
  if (ms <= LONG_DURATION_MS_MAX) return ms;
  throw new InvalidArgumentError("Give a time such as 30m, 6h or 30d, of 400 days at most.");
}

/** Not a number for a text that is no time. */
function msFrom(text: string): number {
  const [, number = "", unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  return number === "" ? Number.NaN : Number(number) * (UNITS_MS[unit] ?? Number.NaN);
}

/** A whole number in a range. */
export function wholeNumberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** A number in a range. */
export function numberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
  };
}

/** A moment: ISO 8601, or how long ago (`10m`); as ISO 8601. */
export function momentFrom(nowMs: () => number): (text: string) => string {
  return (text) => {
    if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))) {
      return new Date(text).toISOString();
    }
    try {
      return new Date(nowMs() - durationMs(text)).toISOString();
    } catch {
      throw new InvalidArgumentError("Give a time such as 2026-01-31T12:00:00Z, or 10m for ago.");
    }
  };
}

/** A moment to come: ISO 8601, or after how long (`30d`); as ISO 8601. */
export function momentAhead(nowMs: () => number): (text: string) => string {
  return (text) => {
    const [, days = ""] = /^(\d{1,5})d$/.exec(text) ?? [];
    const aheadMs = days === "" ? null : Number(days) * DAY_MS;
    const ms = aheadMs === null ? Date.parse(text) : nowMs() + aheadMs;
    if (!Number.isNaN(ms)) return new Date(ms).toISOString();
    throw new InvalidArgumentError("Give a time such as 2026-01-31T12:00:00Z, or 30d for 30 days.");
  };
}

/** One of a closed list. */
export function oneFrom<const Value extends string>(
  values: readonly Value[],
): (text: string) => Value {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Valid: ${values.join(", ")}.`);
  };
}

/** Several of a closed list, between commas or given more than once. */
export function someFrom<const Value extends string>(
  values: readonly Value[],
): (text: string, before?: readonly Value[]) => Value[] {
  const one = oneFrom(values);
  return (text, before = []) => [...before, ...text.split(",").map((part) => one(part.trim()))];
}

/** `name=value`, given more than once. */
export function pairsFrom(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const [, name, value] = /^([^=]+)=([^]*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError("Give name=value.");
  }
  return { ...before, [name]: value };
}

/** An http or https URL. */
export function urlFrom(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("Give a URL such as http://localhost:3000/hook.");
}

/** A JSON object, as its text, which has every digit of its numbers. */
export function objectTextFrom(text: string): string {
  const json = parsed(text);
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return text;
  throw new InvalidArgumentError(`Give a JSON object, such as '{"invoice": 17}'.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
