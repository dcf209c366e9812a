import { html } from "hono/html";
import type {
  CallbackOrigin,
  Connection,
  ConnectionLoads,
  GatewayNode,
  OperationalEvent,
  Provider,
  Stats,
  StatsHistory,
} from "../../api/models.ts";
import { LIVE } from "../jobs/list-page.ts";
import type { GatewayApi, Page } from "../http/gateway-api.ts";
import { definePage, may, type PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";
import { historyCharts } from "./history.ts";
import { troubleList, troublesOf } from "./troubles.ts";
import { badge } from "../view/badge.ts";

/** How the project is doing, and what needs somebody. */
export const overviewPage = definePage({
  path: "/overview",
  inLinks: "project",
  scope: "subscriptions:read",
  async show(request) {
    const { api, nowMs } = request;
    const isAdmin = may(request, "admin");
    const [stats, history, origins, troubled, connections, nodes, loads, unknown] =
      await Promise.all([
        api.get<Stats>("/v1/stats"),
        api.get<StatsHistory>("/v1/stats/history"),
        api.get<Page<CallbackOrigin>>("/v1/callback-origins", { limit: 100 }),
        // There may be more origins than one page has, and these are what somebody comes for.
        api.get<Page<CallbackOrigin>>("/v1/callback-origins", { limit: 100, troubled: "true" }),
        isAdmin ? api.get<Page<Connection>>("/v1/connections", { limit: 100 }) : NO_PAGE,
        isAdmin ? api.get<Page<GatewayNode>>("/v1/nodes") : NO_PAGE,
        isAdmin ? api.get<ConnectionLoads>("/v1/connection-loads") : null,
        isAdmin
          ? api.get<Page<OperationalEvent>>("/v1/operational-events", UNKNOWN_STATUSES)
          : NO_PAGE,
      ]);
    const troubles = troublesOf({
      stats,
      origins: uniqueOrigins([...troubled.data, ...origins.data]),
      connections: connections.data,
      loads: new Map(loads?.data.map((one) => [one.connection_id, one.total])),
      nodes: nodes.data,
      unknownStatuses: await notAnswered(unknown.data, api),
      nowMs,
    });
    return {
      kind: "page",
      title: "Overview",
      section: "overview",
      isLive: true,
      body: html`<header class="title"><h1>Overview</h1></header>
        ${card("Needs attention", troubleList(troubles, request))}
        ${card("Last 24 hours", historyCharts(history))}
        <h2 class="spaced">Now</h2>
        ${tiles(stats, request)}
        ${
          isAdmin
            ? html`<h2 class="spaced" id="nodes">Nodes</h2>
                ${nodeTable(nodes.data)}`
            : NOTHING
        }
        <p class="quiet counted">Counted ${time(stats.counted_at)}.</p>`,
    };
  },
});

function uniqueOrigins(origins: readonly CallbackOrigin[]): readonly CallbackOrigin[] {
  return [...new Map(origins.map((one) => [one.origin, one])).values()];
}

/** The latest of each provider. */
const UNKNOWN_STATUSES = { type: "provider.unknown_status", limit: 5 } as const;

/**
 * Without those that came before the newest version of the definition: a job keeps the version that it
 * began with, and would have answered since.
 */
async function notAnswered(
  events: readonly OperationalEvent[],
  api: GatewayApi,
): Promise<readonly OperationalEvent[]> {
  if (events.length === 0) return events;
  const { data: providers } = await api.get<Page<Provider>>("/v1/providers");
  const changedAt = new Map(providers.map((one) => [one.name, one.version_created_at]));
  return events.filter(({ data, timestamp }) => {
    const since = changedAt.get(String(data["provider"])) ?? null;
    return since === null || timestamp > since;
  });
}

/** Only admin keys may see them. */
const NO_PAGE: Page<never> = { data: [], next_cursor: null };

function tiles(stats: Stats, { links }: PageRequest): Markup {
  const { jobs, deliveries } = stats;
  const live = of(jobs, "pending") + of(jobs, "processing");
  const about = jobs.estimated || deliveries.estimated;
  return html`<dl class="tiles">
    ${tile("Live jobs", count(live), links.to("jobs", { status: LIVE }))}
    ${tile("Completed jobs", count(of(jobs, "completed"), about), links.to("jobs", { status: "completed" }))}
    ${tile("Failed jobs", count(of(jobs, "failed"), about), links.to("jobs", { status: "failed" }))}
    ${tile("Pending deliveries", count(of(deliveries, "pending")), links.to("deliveries", { status: "pending" }))}
    ${tile("Exhausted deliveries", count(of(deliveries, "exhausted"), about), links.to("deliveries", { status: "exhausted" }))}
  </dl>`;
}

function tile(name: string, value: string, href: string): Markup {
  return html`<div>
    <dt>${name}</dt>
    <dd><a href="${href}">${value}</a></dd>
  </div>`;
}

function of({ by_status: counts }: Stats["jobs"], name: string): number {
  return (counts as Readonly<Record<string, number>>)[name] ?? 0;
}

function count(value: number, isAbout = false): string {
  return `${isAbout ? "≈ " : ""}${value.toLocaleString("en-US")}`;
}

/** The gateway's processes: which shards are whose, and until when. */
function nodeTable(nodes: readonly GatewayNode[]): Markup {
  return table(
    "Nodes of the gateway",
    [
      {
        title: "Lease",
        cell: ({ is_live: isLive }) => (isLive ? badge("held", "good") : badge("expired", "bad")),
      },
      {
        title: "Node",
        cell: ({ id, answering }) =>
          html`${mono(id)} ${answering ? html`<span class="quiet">answers here</span>` : ""}`,
      },
      { title: "Shards", isNumber: true, cell: ({ shards }) => String(shards) },
      {
        title: "Live jobs",
        isNumber: true,
        cell: ({ live_jobs: jobs }) => jobs.toLocaleString("en-US"),
      },
      { title: "Renewed", cell: (node) => time(node.lease_renewed_at) },
      { title: "Started", cell: (node) => time(node.started_at) },
    ],
    nodes,
  );
}
