import { html } from "hono/html";
import { EVENT_TYPES } from "../../core/delivery/event.ts";
import type { StoredEvent } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, type PageRequest } from "../http/page.ts";
import { firstCommand, statusOptions } from "../jobs/list-page.ts";
import { status } from "../view/badge.ts";
import {
  beginOf,
  filterForm,
  listPager,
  noneSoFar,
  PERIOD_OPTIONS,
  readFilter,
} from "../view/filter.ts";
import { select } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;

/** Events of jobs, newest first, updated live. */
export const eventListPage = definePage({
  path: "/events",
  inLinks: "project",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query, nowMs } = request;
    const filter = readFilter(query, ["type", "period"]);
    const page = await api.get<Page<StoredEvent>>("/v1/events", {
      type: filter.type,
      created_after: beginOf(filter.period, nowMs),
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    const next = page.next_cursor;
    const place = { path: "events", filter };
    const shown =
      page.data.length === 0 && next !== null
        ? noneSoFar(request, place, next)
        : page.data.length === 0
          ? emptyState(
              "No events",
              html`<p>
                  Each ending of a job is an event, and so is progress that a subscription asked
                  for.
                </p>
                ${firstCommand(request)}`,
            )
          : eventTable(page.data, request);
    return {
      kind: "page",
      title: "Events",
      section: "events",
      isLive: true,
      body: html`<header class="title"><h1>Events</h1></header>
        ${filterForm(
          request,
          "events",
          html`${select("type", "Event", statusOptions(EVENT_TYPES), filter.type)}
          ${select("period", "Time", PERIOD_OPTIONS, filter.period)}`,
        )}
        ${shown} ${page.data.length === 0 ? NOTHING : listPager(request, place, next)}`,
    };
  },
});

function eventTable(events: readonly StoredEvent[], { links }: PageRequest): Markup {
  return table(
    "Events, newest first",
    [
      { title: "Time", cell: (event) => time(event.timestamp) },
      { title: "Event", cell: (event) => event.type },
      { title: "Status", cell: (event) => status(event.data.status) },
      {
        title: "Job",
        cell: (event) =>
          html`<a class="row" href="${links.to(`jobs/${event.job.id}`)}"
            >${mono(event.data.job_id)}</a
          >`,
      },
      { title: "Provider", cell: (event) => event.data.provider },
      {
        title: "Error",
        cell: ({ data: { error = null } }) =>
          error === null ? NOTHING : html`<span class="error" title="${error}">${error}</span>`,
      },
    ],
    events,
  );
}
