import { html } from "hono/html";
import { type JsonPath, sliceRawJson } from "../../core/json/raw-json.ts";
import type { ResultPart, StoredEvent } from "../../api/models.ts";
import { definePage, type PageRequest } from "../http/page.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, copy, emptyState, mono, pre } from "../view/parts.ts";
import { downloadLink, placeIn, resultPart, wholeJson } from "./result-view.ts";

/** A result that is too large for the page of its job: a part of its text, or a value of its tree. */
export const resultPage = definePage({
  path: "/results/:id/view",
  inLinks: "all",
  scope: "subscriptions:read",
  async show(request) {
    const { api, id, query, links } = request;
    const number = numberIn(query, "part", 1);
    const [event, part] = await Promise.all([
      api.get<StoredEvent>(`/v1/events/${id}`),
      resultPart(id, number, api),
    ]);
    return {
      kind: "page",
      title: `Result of ${event.data.job_id}`,
      section: "jobs",
      body: html`<header class="title">
          <p class="crumbs"><a href="${links.to(`jobs/${event.job.id}`)}">The job</a></p>
          <h1>Result of ${mono(event.data.job_id)}</h1>
        </header>
        ${part === null ? noPart(request) : shown(part, request)}`,
    };
  },
});

function shown(part: ResultPart, request: PageRequest): Markup {
  const { id, links, query } = request;
  const whole = wholeJson(part);
  const save = downloadLink(id, links);
  if (whole !== null) {
    const at = pathIn(query.get("at"));
    const value = sliceRawJson(whole, at);
    if (value === null) return noPart(request);
    const linkTo = (place: JsonPath, from: number) => links.to(...placeIn(id, place, from));
    const tree = jsonView(value, { at, from: numberIn(query, "from", 0), linkTo });
    return html`${trail(at, request)}
    ${card("Value", tree, html`${value.length > COPIED_CHARACTERS_MAX ? NOTHING : copy(value)} ${save}`)}`;
  }
  const { number, text, content_type: type, result_bytes: bytes, has_more: hasMore } = part;
  if (text === null) {
    return card("Content", html`<p class="quiet">${type} is not shown as text.</p>`, save);
  }
  const to = (next: number): string => links.to(`results/${id}/view`, { part: String(next) });
  return html`${card(
      `Part ${number}`,
      html`<p class="quiet">Of ${bytes.toLocaleString("en-US")} bytes of ${type}.</p>
        ${pre(text)}`,
      save,
    )}
    <nav class="pager" aria-label="Parts">
      ${number === 1 ? NOTHING : html`<a class="button" href="${to(number - 1)}" rel="prev">Part before</a>`}
      ${hasMore ? html`<a class="button" href="${to(number + 1)}" rel="next">Next part</a>` : NOTHING}
    </nav>`;
}

/** The way from the whole result to the value that is shown. */
function trail(at: JsonPath, { id, links }: PageRequest): Markup {
  if (at.length === 0) return NOTHING;
  return html`<p class="crumbs">
    <a href="${links.to(`results/${id}/view`)}">Whole result</a>
    ${at.map(
      (step, index) =>
        html`›
          <a href="${links.to(...placeIn(id, at.slice(0, index + 1), 0))}"
            ><code>${step}</code></a
          > `,
    )}
  </p>`;
}

function noPart({ id, links }: PageRequest): Markup {
  return emptyState(
    "No such part",
    html`<p>
      The result has no part at this address.
      <a href="${links.to(`results/${id}/view`)}">Show it from the start</a>.
    </p>`,
  );
}

/** More would double a page that is large already. */
const COPIED_CHARACTERS_MAX = 64 * 1024;
const STEPS_MAX = 1000;

/** The path that an address names; the root for a text that is none. */
function pathIn(text: string | null): JsonPath {
  let path: unknown;
  try {
    path = JSON.parse(text ?? "[]");
  } catch {
    return [];
  }
  return Array.isArray(path) && path.length <= STEPS_MAX && path.every(isStep) ? path : [];
}

function isStep(step: unknown): step is string | number {
  return typeof step === "string" || (Number.isSafeInteger(step) && Number(step) >= 0);
}

function numberIn(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name) ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) : fallback;
}
