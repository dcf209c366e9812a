import { html } from "hono/html";
import { JOB_STATUSES } from "../../api/http/response-schemas.ts";
import type {
  DeliveryWithAttempts,
  Job,
  Stats,
  StoredEvent,
  Subscription,
} from "../../api/models.ts";
import { definePage, type PageRequest, redirect } from "../http/page.ts";
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
import { select, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { command, emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";
import { waitOf } from "../view/waits.ts";
import { ApiProblem, type GatewayApi, type Page } from "../http/gateway-api.ts";

const PAGE_SIZE = 50;
const FIELDS = ["q", "status", "provider", "connection", "period", "deadline"] as const;

type Filter = Readonly<Record<(typeof FIELDS)[number], string>>;

/** The list of jobs, with a search that also takes the id of anything that belongs to one. */
export const jobListPage = definePage({
  path: "/jobs",
  inLinks: "project",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query, nowMs } = request;
    const filter = readFilter(query, FIELDS);
    const job = await jobOfId(api, filter.q);
    if (job !== null) return redirect(`jobs/${job}`);
    const [page, stats] = await Promise.all([
      api.get<Page<Job>>("/v1/jobs", {
        job_id: filter.q,
        status: filter.status === LIVE ? null : filter.status,
        live: filter.status === LIVE ? "true" : null,
        provider: filter.provider,
        connection: filter.connection,
        created_after: beginOf(filter.period, nowMs),
        near_deadline: filter.deadline === "near" ? "true" : null,
        limit: PAGE_SIZE,
        cursor: query.get("cursor"),
      }),
      api.get<Stats>("/v1/stats"),
    ]);
    const elsewhere = page.data.length === 0 ? subscriptionsOf(filter.q) : null;
    if (elsewhere !== null)
      return redirect(`subscriptions?${new URLSearchParams(elsewhere).toString()}`);
    return {
      kind: "page",
      title: "Jobs",
      section: "jobs",
      isLive: true,
      body: html`<header class="title"><h1>Jobs</h1></header>
        ${counts(stats, filter, request)} ${filterForm(request, "jobs", fields(filter))}
        ${list(page, filter, request)}`,
    };
  },
});

/** How many jobs there are of each status, each a link to them. */
function counts({ jobs }: Stats, filter: Filter, { links }: PageRequest): Markup {
  const shown = Object.entries(jobs.by_status).filter(([, count]) => count > 0);
  if (shown.length === 0) return NOTHING;
  const about = jobs.estimated ? "about " : "";
  return html`<ul class="counts" aria-label="Jobs by status">
    ${shown.map(
      ([name, count]) =>
        html`<li>
          <a
            href="${links.to("jobs", { ...filter, status: filter.status === name ? "" : name })}"
            ${filter.status === name ? html`aria-current="true"` : NOTHING}
            >${status(name)} <span class="number">${about}${count.toLocaleString("en-US")}</span></a
          >
        </li>`,
    )}
  </ul>`;
}

function fields(filter: Filter): Markup {
  return html`<label class="wide">
      <span>Search</span>
      <input
        type="search"
        name="q"
        value="${filter.q}"
        data-search
        placeholder="Id, metadata or callback URL"
        autocomplete="off"
        spellcheck="false"
      />
    </label>
    ${select("status", "Status", STATUS_OPTIONS, filter.status)}
    ${select("period", "Created", PERIOD_OPTIONS, filter.period)}
    ${select("deadline", "Deadline", DEADLINE_OPTIONS, filter.deadline)}
    ${textField("provider", "Provider", filter.provider, { placeholder: "any" })}
    ${textField("connection", "Connection", filter.connection, { placeholder: "any" })}`;
}

const DEADLINE_OPTIONS = [
  { value: "", text: "Any" },
  { value: "near", text: "Near" },
];

/** Jobs that have not ended, whatever they do. */
export const LIVE = "live";

export function statusOptions(
  names: readonly string[],
): readonly { readonly value: string; readonly text: string }[] {
  return [{ value: "", text: "Any" }, ...names.map((value) => ({ value, text: words(value) }))];
}

const STATUS_OPTIONS = [
  ...statusOptions(JOB_STATUSES).slice(0, 1),
  { value: LIVE, text: "live" },
  ...statusOptions(JOB_STATUSES).slice(1),
];

/** Found among the subscriptions: a callback URL, or metadata such as `invoice=17`. Null for an id. */
function subscriptionsOf(text: string): Readonly<Record<string, string>> | null {
  if (/^https?:\/\//.test(text)) return { origin: originOf(text) };
  return /^[^=]+=/.test(text) ? { metadata: text } : null;
}

function list(page: Page<Job>, filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  const { data, next_cursor: next } = page;
  const place = { path: "jobs", filter };
  if (data.length === 0) {
    return next === null ? nothingFound(filter, request) : noneSoFar(request, place, next);
  }
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
      {
        title: "Waits for",
        cell: ({ waiting_for: cause }) => (cause === null ? NOTHING : waitOf(cause)),
      },
      {
        title: "Error",
        cell: ({ last_error: error }) =>
          error === null ? NOTHING : html`<span class="error" title="${error}">${error}</span>`,
      },
      { title: "Polls", isNumber: true, cell: (job) => job.poll_count.toLocaleString("en-US") },
      { title: "Created", cell: (job) => time(job.created_at) },
      { title: "Ended", cell: (job) => time(job.ended_at) },
    ],
    data,
  )}
  ${listPager(request, place, next)}`;
}

function nothingFound(filter: Filter, request: PageRequest): Markup {
  const { links } = request;
  if (isFiltered(filter)) {
    return emptyState(
      "No job matches",
      html`<p>
          Jobs are found by the whole id that their provider gave them, by the id of a subscription,
          delivery or event, by metadata such as <code>invoice=17</code>, and by callback URL. They
          are removed some time after they end.
        </p>
        <p><a class="button" href="${links.to("jobs")}">Show all jobs</a></p>`,
    );
  }
  return emptyState(
    "No jobs yet",
    html`<p>A job appears here as soon as a subscription names it:</p>
      ${firstCommand(request)}
      <p>When it ends, its callback is sent, and its whole history is shown here.</p>`,
  );
}

/** The command that makes the first job and all that follows from it; nothing for somebody without a key. */
export function firstCommand({ link, publicUrl }: PageRequest): Markup {
  return link === null ? command(subscribeCommand(publicUrl)) : NOTHING;
}

function subscribeCommand(url: string): string {
  return `curl -s ${url}/v1/subscriptions \\
  -H "Authorization: Bearer $RINGBACK_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"provider": "pulse", "job_id": "…", "callback_url": "https://…"}'`;
}

const PUBLIC_ID = /^(?:job|sub|msg|evt)_[0-9a-f]{32}$/;

/** The id of the job that something of this id belongs to; null for a text that is no such id, or names nothing. */
async function jobOfId(api: GatewayApi, text: string): Promise<string | null> {
  if (!PUBLIC_ID.test(text)) return null;
  try {
    if (text.startsWith("job_")) return text;
    if (text.startsWith("sub_")) return await jobOfSubscription(api, text);
    if (text.startsWith("evt_")) return (await api.get<StoredEvent>(`/v1/events/${text}`)).job.id;
    const delivery = await api.get<DeliveryWithAttempts>(`/v1/deliveries/${text}`);
    return await jobOfSubscription(api, delivery.subscription_id);
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}

async function jobOfSubscription(api: GatewayApi, id: string): Promise<string> {
  return (await api.get<Subscription>(`/v1/subscriptions/${id}`)).job.id;
}
