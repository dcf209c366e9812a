import { html } from "hono/html";
import type { Markup } from "./markup.ts";

/**
 * A time in UTC, which the console's script turns into the reader's own, with UTC on hover.
 * @param iso as the API gives it; null shows a dash
 */
export function time(iso: string | null): Markup {
  if (iso === null) return html`<span class="quiet">–</span>`;
  return html`<time datetime="${iso}" title="${utc(iso)}">${utc(iso)}</time>`;
}

const ISO_TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/** A sentence of the API, in which each time is shown as the reader's own. */
export function sentence(text: string): Markup {
  return html`${text.split(ISO_TIME).map((part, index) => (index % 2 === 1 ? time(part) : part))}`;
}

function utc(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

/** `12.5 polls a second`, or without a noun `12.5 a second`; of a rate below one a second, so many a minute. */
export function pace(perSecond: number, noun = ""): string {
  const [count, unit] = perSecond < 1 ? [perSecond * 60, "minute"] : [perSecond, "second"];
  const shown = count.toLocaleString("en-US", { maximumFractionDigits: 1 });
  return [shown, noun, "a", unit].filter((word) => word !== "").join(" ");
}

const STEPS: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
];

/** `84 ms`, `2.5 s`, `3 min 4 s`, `2 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const index = STEPS.findIndex(([step]) => ms >= step);
  const [step, unit] = STEPS[index] ?? [1000, "s"];
  const [lower, lowerUnit] = STEPS[index + 1] ?? [0, ""];
  const whole = Math.floor(ms / step);
  const rest = lower === 0 ? 0 : Math.floor((ms - whole * step) / lower);
  return rest === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${lowerUnit}`;
}
