import { html } from "hono/html";
import type { Markup } from "./markup.ts";

export type Tone = "good" | "bad" | "warn" | "info" | "plain";

export function badge(text: string, tone: Tone): Markup {
  return html`<span class="badge ${tone}">${text}</span>`;
}

/** One table for jobs, subscriptions, deliveries, redeliveries, connections and callback origins. */
const TONES: Readonly<Record<string, Tone>> = {
  pending: "info",
  processing: "info",
  active: "info",
  delivering: "info",
  running: "info",
  completed: "good",
  delivered: "good",
  ok: "good",
  failed: "bad",
  exhausted: "bad",
  failing: "bad",
  expired: "warn",
  timed_out: "warn",
  paused: "warn",
  gone: "warn",
  unowned: "bad",
  behind: "warn",
  deadline: "warn",
  canceled: "plain",
  superseded: "plain",
  unwatched: "plain",
};

/** A status in words, colored by what it means. */
export function status(name: string): Markup {
  return badge(words(name), TONES[name] ?? "plain");
}

/** `timed_out` is `timed out`. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}
