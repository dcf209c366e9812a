import { html } from "hono/html";
import { ATTEMPT_ERROR_CODES, DELIVERY_STATUSES } from "../../core/delivery/delivery-outcome.ts";
import { EVENT_TYPES } from "../../core/delivery/event.ts";
import { ApiProblem, type GatewayApi, type Page } from "../http/gateway-api.ts";
import type { Delivery } from "../../api/models.ts";
import { defineAction, definePage, may, type PageRequest, redirect } from "../http/page.ts";
import { firstCommand, statusOptions } from "../jobs/list-page.ts";
import { status, words } from "../view/badge.ts";
import {
  beginOf,
  filterForm,
  isFiltered,
  listPager,
  noneSoFar,
  originOf,
  PERIOD_OPTIONS,
  readFilter,
} from "../view/filter.ts";
import { CSRF_FIELD, select, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;
const FIELDS = ["status", "event", "error", "job", "origin", "period"] as const;
/** The form that the boxes of the list belong to. */
const SELECTION = "selection";

type Filter = Readonly<Record<(typeof FIELDS)[number], string>>;

export const deliveryListPage = definePage({
  path: "/deliveries",
  inLinks: "project",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query, nowMs } = request;
    const filter = readFilter(query, FIELDS);
    const page = await api.get<Page<Delivery>>("/v1/deliveries", {
      status: filter.status,
      event_type: filter.event,
      error_code: filter.error,
      job_id: filter.job,
      callback_origin: originOf(filter.origin),
      created_after: beginOf(filter.period, nowMs),
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    return {
      kind: "page",
      title: "Deliveries",
      section: "deliveries",
      isLive: true,
      body: html`<header class="title"><h1>Deliveries</h1></header>
        ${filterForm(request, "deliveries", fields(filter))}
        ${may(request, "subscriptions:write") ? sendAgain(filter, request) : NOTHING}
        ${list(page, filter, request)}`,
    };
  },
});

/** Sends the selected deliveries again, one by one. */
export const redeliverSelected = defineAction({
  path: "/deliveries/redeliver",
  scope: "subscriptions:write",
  back: ({ query }) => backTo(query),
  async act({ api, form, query }) {
    const ids = form.getAll("delivery").slice(0, PAGE_SIZE);
    const refusals: string[] = [];
    for (const id of ids) {
      const refusal = await redeliverOne(api, id);
      if (refusal !== null) refusals.push(refusal);
    }
    const sent = `${ids.length - refusals.length} sent again.`;
    const [reason] = ids.length === 0 ? ["Select deliveries first."] : refusals;
    if (reason === undefined) return redirect(backTo(query), sent);
    const text = ids.length === 0 ? reason : `${sent} ${refusals.length} not: ${reason}`;
    return { kind: "redirect", to: backTo(query), notice: { kind: "failed", text } };
  },
});

/** Null when it is done; else why the API refused it. */
async function redeliverOne(api: GatewayApi, id: string): Promise<string | null> {
  try {
    await api.send("POST", `/v1/deliveries/${encodeURIComponent(id)}/redeliver`);
    return null;
  } catch (error) {
    if (error instanceof ApiProblem) return error.body.detail;
    throw error;
  }
}

/** The list as it was when the form was sent: the address of the form says how. */
function backTo(query: URLSearchParams): string {
  const filter = Object.entries(readFilter(query, FIELDS)).filter(([, text]) => text !== "");
  const search = new URLSearchParams(filter).toString();
  return search === "" ? "deliveries" : `deliveries?${search}`;
}

function fields(filter: Filter): Markup {
  return html`${textField("job", "Job id", filter.job, { placeholder: "any" })}
  ${select("status", "Status", statusOptions(DELIVERY_STATUSES), filter.status)}
  ${select("event", "Event", statusOptions(EVENT_TYPES), filter.event)}
  ${select("error", "Last error", statusOptions(ATTEMPT_ERROR_CODES), filter.error)}
  ${textField("origin", "Callback URL", filter.origin, { placeholder: "https://…" })}
  ${select("period", "Created", PERIOD_OPTIONS, filter.period)}`;
}

/** The selected ones at once; all that match after they were counted. */
function sendAgain(filter: Filter, { links, csrfToken, nowMs }: PageRequest): Markup {
  const { status: ofStatus, event, origin, error, job, period } = filter;
  const isCountable = ofStatus !== "" && job === "";
  return html`<div class="actions bar">
    <form id="${SELECTION}" method="post" action="${links.to("deliveries/redeliver", filter)}">
      <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
      <button>Send selected again</button>
      <button class="scripted-only" type="button" data-select-all="delivery">
        Select all shown
      </button>
    </form>
    ${
      isCountable
        ? html`<form method="post" action="${links.to("redeliveries/count")}">
            <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
            <input type="hidden" name="status" value="${ofStatus}" />
            <input type="hidden" name="event" value="${event}" />
            <input type="hidden" name="error" value="${error}" />
            <input type="hidden" name="origin" value="${originOf(origin)}" />
            <input type="hidden" name="after" value="${beginOf(period, nowMs) ?? ""}" />
            <button>Send all that match again…</button>
          </form>`
        : html`<span class="quiet"
            >To send all that match again, filter by status, and not by job.</span
          >`
    }
  </div>`;
}

function list(page: Page<Delivery>, filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  const { data, next_cursor: next } = page;
  const place = { path: "deliveries", filter };
  if (data.length === 0) {
    return next === null ? nothingFound(filter, request) : noneSoFar(request, place, next);
  }
  return html`${table(
    "Deliveries, newest first",
    [
      ...(may(request, "subscriptions:write") ? [{ title: "Select", cell: box }] : []),
      { title: "Status", cell: state },
      { title: "Event", cell: (one: Delivery) => one.event_type },
      {
        title: "Job",
        cell: (one: Delivery) =>
          html`<a class="row" href="${links.to("jobs", { q: one.id })}">${mono(one.job_id)}</a>`,
      },
      {
        title: "To",
        cell: (one: Delivery) => mono(one.callback_url ?? `inbox ${one.inbox ?? ""}`),
      },
      {
        title: "Attempts",
        isNumber: true,
        cell: (one: Delivery) => String(one.attempt_count),
      },
      { title: "Last error", cell: lastError },
      { title: "Created", cell: (one: Delivery) => time(one.created_at) },
    ],
    data,
  )}
  ${listPager(request, place, next)}`;
}

function state({ status: of, next_attempt_at: next }: Delivery): Markup {
  return next === null
    ? status(of)
    : html`${status(of)} <span class="quiet">next ${time(next)}</span>`;
}

function box({ id, job_id: job }: Delivery): Markup {
  return html`<input
    type="checkbox"
    form="${SELECTION}"
    name="delivery"
    value="${id}"
    aria-label="Select the delivery about ${job}"
  />`;
}

function lastError({ last_error: error }: Delivery): Markup {
  if (error === null) return NOTHING;
  const text = error.message ?? words(error.code);
  return html`<span class="error" title="${error.code}: ${text}">${text}</span>`;
}

function nothingFound(filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  return isFiltered(filter)
    ? emptyState(
        "No delivery matches",
        html`<p><a class="button" href="${links.to("deliveries")}">Show all deliveries</a></p>`,
      )
    : emptyState(
        "No deliveries yet",
        html`<p>When a job ends, each of its subscriptions gets a delivery, which is shown here.</p>
          ${firstCommand(request)}`,
      );
}
