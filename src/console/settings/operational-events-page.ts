import { html } from "hono/html";
import { OPERATIONAL_EVENT_TYPES } from "../../core/delivery/operational-event.ts";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { OperationalEvent, Project } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, type PageRequest } from "../http/page.ts";
import { badge, status, type Tone } from "../view/badge.ts";
import { filterForm, isFiltered, listPager, readFilter } from "../view/filter.ts";
import { select } from "../view/forms.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { command, emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;

/** The events that the project's operations URL received, and those that are yet to be sent. */
export const operationalEventListPage = definePage({
  path: "/operational-events",
  scope: "admin",
  async show(request) {
    const { api, query } = request;
    const filter = readFilter(query, ["type"]);
    const [text, project] = await Promise.all([
      api.text("/v1/operational-events", {
        type: filter.type,
        limit: PAGE_SIZE,
        cursor: query.get("cursor"),
      }),
      api.get<Project>("/v1/project"),
    ]);
    const page = JSON.parse(text) as Page<OperationalEvent>;
    const rows = page.data.map((one, index) => ({
      ...one,
      dataText: sliceRawJson(text, ["data", index, "data"]) ?? "{}",
    }));
    const isEmpty = rows.length === 0 && page.next_cursor === null;
    return {
      kind: "page",
      title: "Operational events",
      section: "operations",
      isLive: true,
      body: html`<header class="title">
          <h1>Operational events</h1>
          <p class="quiet">
            The latest event of each receiver, connection and provider in the last day, as it was
            sent to the project's operations URL. Unknown statuses are listed also without one.
          </p>
        </header>
        ${filterForm(
          request,
          "operational-events",
          select("type", "Event", TYPE_OPTIONS, filter.type),
        )}
        ${isEmpty ? noEvent(project, isFiltered(filter), request) : list(rows, request)}
        ${listPager(request, { path: "operational-events", filter }, page.next_cursor)}`,
    };
  },
});

const TYPE_OPTIONS = [
  { value: "", text: "Any" },
  ...OPERATIONAL_EVENT_TYPES.map((value) => ({ value, text: value })),
];

const TONES: Readonly<Record<OperationalEvent["type"], Tone>> = {
  "delivery.exhausted": "bad",
  "callback_origin.failing": "bad",
  "callback_origin.recovered": "good",
  "connection.paused": "warn",
  "connection.resumed": "good",
  "provider.unknown_status": "warn",
};

/** With its data as it was sent. */
type Row = OperationalEvent & { readonly dataText: string };

function list(events: readonly Row[], request: PageRequest): Markup {
  return table<Row>(
    "Operational events, newest first",
    [
      { title: "Time", cell: (event) => time(event.timestamp) },
      { title: "Event", cell: ({ type }) => badge(type, TONES[type]) },
      {
        title: "Times",
        isNumber: true,
        cell: ({ occurrences }) => occurrences.toLocaleString("en-US"),
      },
      { title: "About", cell: (event) => about(event, request) },
      {
        title: "Body",
        cell: ({ id, dataText }) =>
          html`<details class="body" id="body-${id}">
            <summary>Show</summary>
            ${jsonView(dataText)}
          </details>`,
      },
      { title: "Sent", cell: sent },
      { title: "To", cell: ({ sent_to: url }) => (url === null ? NOTHING : mono(url)) },
      { title: "Attempts", isNumber: true, cell: (one) => String(one.attempt_count) },
      { title: "Answer", cell: answer },
    ],
    events,
  );
}

function sent({ status: of }: OperationalEvent): Markup {
  return of === "unwanted" ? badge("not sent", "plain") : status(of);
}

/** The subject, as a link to where it is shown. */
function about({ data }: OperationalEvent, { links }: PageRequest): Markup {
  const text = (name: string): string | null => {
    const value = data[name];
    return typeof value === "string" ? value : null;
  };
  const delivery = text("delivery_id");
  const connection = text("connection_id");
  const origin = text("callback_origin");
  const provider = text("provider") ?? "";
  if (delivery !== null) {
    const job = text("job_id") ?? delivery;
    return html`<a class="row" href="${links.to("jobs", { q: delivery })}">${mono(job)}</a>`;
  }
  if (connection !== null) {
    const name = `${provider} ${text("connection") ?? ""}`;
    return html`<a class="row" href="${links.to("connections")}#${connection}">${mono(name)}</a>`;
  }
  if (origin !== null) {
    return html`<a class="row" href="${links.to("deliveries", { origin })}">${mono(origin)}</a>`;
  }
  const path = `providers/${encodeURIComponent(provider)}`;
  return html`<a class="row" href="${links.to(path)}">${mono(provider)}</a>`;
}

function answer(event: OperationalEvent): Markup {
  const { http_status: code, last_error: error, next_attempt_at: next } = event;
  const result =
    error === null
      ? html`${code ?? ""}`
      : html`<span class="error" title="${error}">${error}</span>`;
  return next === null ? result : html`${result} next ${time(next)}`;
}

function noEvent(
  { operations_url: url }: Project,
  isFilteredList: boolean,
  { links, publicUrl }: PageRequest,
): Markup {
  if (isFilteredList) {
    return emptyState(
      "No event of this type in the last day",
      html`<p>
        <a class="button" href="${links.to("operational-events")}">Show all operational events</a>
      </p>`,
    );
  }
  return url === null
    ? emptyState(
        "No operations URL yet",
        html`<p>
            A project with an operations URL receives signed events when a connection is paused, a
            receiver fails, a delivery is given up or a provider returns an unknown status. They are
            also listed here. Set the URL in the <a href="${links.to("project")}">project</a>, or
            with:
          </p>
          ${command(`curl -s -X PATCH ${publicUrl}/v1/project \\
  -H "Authorization: Bearer $RINGBACK_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"operations_url": "https://…"}'`)}`,
      )
    : emptyState(
        "No event in the last day",
        html`<p>
          Events are sent to <code>${url}</code> when a connection is paused, a receiver fails, a
          delivery is given up or a provider returns an unknown status. Each is listed here for a
          day.
        </p>`,
      );
}
