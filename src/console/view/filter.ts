import { html } from "hono/html";
import type { PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "./markup.ts";
import { pager } from "./parts.ts";

/** How far back a filter looks, by the text in its address. */
const PERIODS: Readonly<Record<string, { readonly text: string; readonly ms: number }>> = {
  hour: { text: "Last hour", ms: 3_600_000 },
  day: { text: "Last 24 hours", ms: 86_400_000 },
  week: { text: "Last 7 days", ms: 7 * 86_400_000 },
};

export const PERIOD_OPTIONS = [
  { value: "", text: "Any time" },
  ...Object.entries(PERIODS).map(([value, { text }]) => ({ value, text })),
];

/** When the period of this name began; null for any time. */
export function beginOf(period: string, nowMs: number): string | null {
  const known = PERIODS[period];
  return known === undefined ? null : new Date(nowMs - known.ms).toISOString();
}

/** The value of each filter field in an address; empty for a missing one. */
export function readFilter<Name extends string>(
  query: URLSearchParams,
  names: readonly Name[],
): Readonly<Record<Name, string>> {
  const entries = names.map((name) => [name, (query.get(name) ?? "").trim()] as const);
  return Object.fromEntries(entries) as Record<Name, string>;
}

export function isFiltered(filter: Readonly<Record<string, string>>): boolean {
  return Object.values(filter).some((text) => text !== "");
}

/** A form whose fields are the filter of a list, kept in the address of the page. */
export function filterForm({ links }: PageRequest, path: string, fields: Markup): Markup {
  return html`<form class="filter" method="get" action="${links.to(path)}" role="search">
    ${fields}
    <button class="main">Filter</button>
    <a class="button" href="${links.to(path)}">Clear</a>
  </form>`;
}

/** From one page of a filtered list to the next. */
export function listPager(
  { links, query }: PageRequest,
  list: { readonly path: string; readonly filter: Readonly<Record<string, string>> },
  cursor: string | null,
): Markup {
  const { path, filter } = list;
  if (!query.has("cursor") && cursor === null) return NOTHING;
  return pager({
    first: query.has("cursor") ? links.to(path, filter) : null,
    next: cursor === null ? null : links.to(path, { ...filter, cursor }),
  });
}
