import { html } from "hono/html";
import type { PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "./markup.ts";
import { emptyState, pager } from "./parts.ts";

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

/** The origin of a callback URL; an origin itself, and other text, is returned unchanged. */
export function originOf(text: string): string {
  return URL.parse(text)?.origin ?? text;
}

export function isFiltered(filter: Readonly<Record<string, string>>): boolean {
  return Object.values(filter).some((text) => text !== "");
}

/** A form whose fields are the filter of a list, kept in the address of the page. */
export function filterForm({ links, query }: PageRequest, path: string, fields: Markup): Markup {
  const isSet = [...query].some(([name, value]) => name !== "cursor" && value !== "");
  return html`<form class="filter" method="get" action="${links.to(path)}" role="search">
    ${fields}
    <button class="main">Filter</button>
    ${isSet ? html`<a class="button" href="${links.to(path)}">Clear</a>` : NOTHING}
  </form>`;
}

interface List {
  /** Below the console. */
  readonly path: string;
  readonly filter: Readonly<Record<string, string>>;
}

/** Shown for a page without a match that is not the last: a page looks at a limited number of rows. */
export function noneSoFar(
  { links, query }: PageRequest,
  { path, filter }: List,
  cursor: string,
): Markup {
  const which = query.has("cursor") ? "None among the next 5,000" : "None among the newest 5,000";
  return emptyState(
    which,
    html`<p>A page looks at 5,000 entries at most. Older ones may match.</p>
      <p>
        <a class="button" href="${links.to(path, { ...filter, cursor })}">Look further back</a>
      </p>`,
  );
}

/** From one page of a filtered list to the next. */
export function listPager(
  { links, query }: PageRequest,
  list: List,
  cursor: string | null,
): Markup {
  const { path, filter } = list;
  if (!query.has("cursor") && cursor === null) return NOTHING;
  return pager({
    first: query.has("cursor") ? links.to(path, filter) : null,
    next: cursor === null ? null : links.to(path, { ...filter, cursor }),
  });
}
