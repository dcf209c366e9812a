import { html } from "hono/html";
import { JOB_STATUSES } from "../../api/http/response-schemas.ts";
import type { Job, Page, Stats } from "../http/models.ts";
import { definePage, type PageRequest, redirect } from "../http/page.ts";
import { status, words } from "../view/badge.ts";
import { select, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { command, emptyState, mono, pager, table } from "../view/parts.ts";
import { time } from "../view/time.ts";
import { jobOfId } from "./job-of-id.ts";

const PAGE_SIZE = 50;

/** How far back a filter looks, by the text in its address. */
const PERIODS: Readonly<Record<string, { readonly text: string; readonly ms: number }>> = {
  hour: { text: "Last hour", ms: 3_600_000 },
  day: { text: "Last 24 hours", ms: 86_400_000 },
  week: { text: "Last 7 days", ms: 7 * 86_400_000 },
};

interface Filter {
  readonly search: string;
  readonly status: string;
  readonly provider: string;
  readonly connection: string;
  readonly period: string;
}

/** The list of jobs, with a search that also takes the id of anything that belongs to one. */
export const jobListPage = definePage({
  path: "/jobs",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query, nowMs } = request;
    const filter = readFilter(query);
    const job = await jobOfId(api, filter.search);
    if (job !== null) return redirect(`jobs/${job}`);
    const period = PERIODS[filter.period];
    const [page, stats] = await Promise.all([
      api.get<Page<Job>>("/v1/jobs", {
        job_id: filter.search,
        status: filter.status,
        provider: filter.provider,
        connection: filter.connection,
        created_after: period && new Date(nowMs - period.ms).toISOString(),
        limit: PAGE_SIZE,
        cursor: query.get("cursor"),
      }),
      api.get<Stats>("/v1/stats"),
    ]);
    return {
      kind: "page",
      title: "Jobs",
      section: "jobs",
      isLive: true,
      body: html`<header class="title"><h1>Jobs</h1></header>
        ${counts(stats, filter, request)} ${filterForm(filter, request)}
        ${list(page, filter, request)}`,
    };
  },
});

function readFilter(query: URLSearchParams): Filter {
  const of = (name: string): string => (query.get(name) ?? "").trim();
  return {
    search: of("q"),
    status: of("status"),
    provider: of("provider"),
    connection: of("connection"),
    period: of("period"),
  };
}

function addressOf({ links }: PageRequest, filter: Partial<Filter>, cursor?: string): string {
  const { search, ...others } = filter;
  return links.to("jobs", { q: search, ...others, cursor });
}

/** How many jobs there are of each status, each a link to them. */
function counts({ jobs }: Stats, filter: Filter, request: PageRequest): Markup {
  const shown = Object.entries(jobs.by_status).filter(([, count]) => count > 0);
  if (shown.length === 0) return NOTHING;
  const about = jobs.estimated ? "about " : "";
  return html`<ul class="counts" aria-label="Jobs by status">
    ${shown.map(
      ([name, count]) =>
        html`<li>
          <a
            href="${addressOf(request, { ...filter, status: filter.status === name ? "" : name })}"
            ${filter.status === name ? html`aria-current="true"` : NOTHING}
            >${status(name)} <span class="number">${about}${count.toLocaleString("en-US")}</span></a
          >
        </li>`,
    )}
  </ul>`;
}

function filterForm(filter: Filter, { links }: PageRequest): Markup {
  const any = { value: "", text: "Any" };
  return html`<form class="filter" method="get" action="${links.to("jobs")}" role="search">
    <label class="wide">
      <span>Search</span>
      <input
        type="search"
        name="q"
        value="${filter.search}"
        data-search
        placeholder="Job id, or job_… sub_… msg_… evt_…"
        autocomplete="off"
        spellcheck="false"
      />
    </label>
    ${select(
      "status",
      "Status",
      [any, ...JOB_STATUSES.map((value) => ({ value, text: words(value) }))],
      filter.status,
    )}
    ${select(
      "period",
      "Created",
      [
        { value: "", text: "Any time" },
        ...Object.entries(PERIODS).map(([value, { text }]) => ({ value, text })),
      ],
      filter.period,
    )}
    ${textField("provider", "Provider", filter.provider, { placeholder: "any" })}
    ${textField("connection", "Connection", filter.connection, { placeholder: "any" })}
    <button class="main">Filter</button>
    <a class="button" href="${links.to("jobs")}">Clear</a>
  </form>`;
}

function list(page: Page<Job>, filter: Filter, request: PageRequest): Markup {
  const { links, query } = request;
  const { data, next_cursor: next } = page;
  if (data.length === 0 && next === null) return nothingFound(filter, request);
  return html`${table(
    "Jobs, newest first",
    [
      { title: "Status", cell: (job) => status(job.status) },
      {
        title: "Job",
        cell: (job) =>
          html`<a class="row" href="${links.to(`jobs/${job.id}`)}">${mono(job.job_id)}</a>`,
      },
      {
        title: "Provider",
        cell: (job) => html`${job.provider} <span class="quiet">${job.connection}</span>`,
      },
      { title: "Waits for", cell: (job) => waits(job) },
      { title: "Polls", isNumber: true, cell: (job) => job.poll_count.toLocaleString("en-US") },
      { title: "Created", cell: (job) => time(job.created_at) },
      { title: "Ended", cell: (job) => time(job.ended_at) },
    ],
    data,
  )}
  ${pager({
    first: query.has("cursor") ? addressOf(request, filter) : null,
    next: next === null ? null : addressOf(request, filter, next),
  })}`;
}

function waits({ waiting_for: cause, last_error: error }: Job): Markup {
  const text = cause === null ? NOTHING : html`${words(cause)}`;
  return error === null ? text : html`${text} <span class="error" title="${error}">${error}</span>`;
}

function nothingFound(filter: Filter, { links, publicUrl }: PageRequest): Markup {
  if (Object.values(filter).some((text) => text !== "")) {
    return emptyState(
      "No job matches",
      html`<p>
          Jobs are found by the whole id that their provider gave them, and are removed some time
          after they ended.
        </p>
        <p><a class="button" href="${links.to("jobs")}">Show all jobs</a></p>`,
    );
  }
  return emptyState(
    "No jobs yet",
    html`<p>A job appears here as soon as a subscription names it:</p>
      ${command(subscribeCommand(publicUrl))}
      <p>Its callback is sent when it ends, and all of its story is here.</p>`,
  );
}

function subscribeCommand(url: string): string {
  return `curl -s ${url}/v1/subscriptions \\
  -H "Authorization: Bearer $RINGBACK_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"provider": "pulse", "job_id": "…", "callback_url": "https://…"}'`;
}
