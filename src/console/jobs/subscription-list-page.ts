import { html } from "hono/html";
import { SUBSCRIPTION_STATUSES } from "../../api/http/response-schemas.ts";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { Subscription } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, isForOutsiders, type PageRequest } from "../http/page.ts";
import { status } from "../view/badge.ts";
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
import { select, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";
import { waitOf } from "../view/waits.ts";
import { firstCommand, statusOptions } from "./list-page.ts";

const PAGE_SIZE = 50;
const FIELDS = ["metadata", "origin", "status", "job", "period"] as const;

type Filter = Readonly<Record<(typeof FIELDS)[number], string>>;

/** The list of subscriptions, searched by what the client knows of them: metadata and its own address. */
export const subscriptionListPage = definePage({
  path: "/subscriptions",
  inLinks: "all",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query, nowMs } = request;
    const filter = readFilter(query, FIELDS);
    const text = await api.text("/v1/subscriptions", {
      metadata: filter.metadata,
      callback_origin: originOf(filter.origin),
      status: filter.status,
      job_id: filter.job,
      created_after: beginOf(filter.period, nowMs),
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    const page = JSON.parse(text) as Page<Subscription>;
    const rows = page.data.map((one, index) => ({
      ...one,
      metadataText: sliceRawJson(text, ["data", index, "metadata"]) ?? "",
    }));
    return {
      kind: "page",
      title: "Subscriptions",
      section: "subscriptions",
      isLive: true,
      body: html`<header class="title"><h1>Subscriptions</h1></header>
        ${filterForm(request, "subscriptions", fields(filter, request))}
        ${list({ ...page, data: rows }, filter, request)}`,
    };
  },
});

function fields(filter: Filter, request: PageRequest): Markup {
  const metadata = { placeholder: "invoice=17" };
  return html`${
    isForOutsiders(request) ? NOTHING : textField("metadata", "Metadata", filter.metadata, metadata)
  }
  ${textField("origin", "Callback URL", filter.origin, {
    placeholder: "https://…",
  })}
  ${select("status", "Status", statusOptions(SUBSCRIPTION_STATUSES), filter.status)}
  ${textField("job", "Job id", filter.job, { placeholder: "any" })}
  ${select("period", "Created", PERIOD_OPTIONS, filter.period)}`;
}

/** With its metadata as the client wrote it. */
type Row = Subscription & { readonly metadataText: string };

function list(page: Page<Row>, filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  const { next_cursor: next } = page;
  const place = { path: "subscriptions", filter };
  if (page.data.length === 0) {
    return next === null ? nothingFound(filter, request) : noneSoFar(request, place, next);
  }
  return html`${table(
    "Subscriptions, newest first",
    [
      { title: "Status", cell: (one) => status(one.status) },
      {
        title: "Job",
        cell: (one) =>
          html`<a class="row" href="${links.to(`jobs/${one.job.id}`)}">${mono(one.job_id)}</a>`,
      },
      { title: "To", cell: (one) => mono(one.callback_url ?? `inbox ${one.inbox ?? ""}`) },
      {
        title: "Metadata",
        cell: (one) => (one.metadataText === "{}" ? NOTHING : mono(one.metadataText)),
      },
      {
        title: "Job status",
        cell: (one) =>
          html`${status(one.job.status)}
          ${one.job.waiting_for === null ? "" : html`waits for ${waitOf(one.job.waiting_for)}`}`,
      },
      { title: "Created", cell: (one) => time(one.created_at) },
    ],
    page.data,
  )}
  ${listPager(request, place, next)}`;
}

function nothingFound(filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  return isFiltered(filter)
    ? emptyState(
        "No subscription matches",
        html`<p>
            Metadata is compared as it was written: <code>invoice=17</code> finds
            <code>{"invoice": 17}</code>.
          </p>
          <p><a class="button" href="${links.to("subscriptions")}">Show all subscriptions</a></p>`,
      )
    : emptyState(
        "No subscriptions yet",
        html`<p>A subscription names a job, and where its callback goes when the job ends.</p>
          ${firstCommand(request)}`,
      );
}
