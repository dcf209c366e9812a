import { html } from "hono/html";
import { scopeRefusal } from "../../api/http/auth.ts";
import type { CallbackOrigin, Connection, Page, Stats } from "../http/models.ts";
import { definePage, type PageRequest } from "../http/page.ts";
import { status } from "../view/badge.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card } from "../view/parts.ts";
import { time } from "../view/time.ts";

const SHOWN_MAX = 20;

interface Trouble {
  readonly badge: Markup;
  readonly text: Markup;
  readonly path: string;
}

/** How the project is doing, and what needs somebody. */
export const overviewPage = definePage({
  path: "/overview",
  scope: "subscriptions:read",
  async show(request) {
    const { api } = request;
    const [stats, origins, connections] = await Promise.all([
      api.get<Stats>("/v1/stats"),
      api.get<Page<CallbackOrigin>>("/v1/callback-origins", { limit: 100 }),
      connectionsOf(request),
    ]);
    const troubles = [
      ...connections.flatMap(troubleOfConnection),
      ...origins.data.flatMap(troubleOfOrigin),
      ...troubleOfDeliveries(stats),
    ];
    return {
      kind: "page",
      title: "Overview",
      section: "overview",
      isLive: true,
      body: html`<header class="title"><h1>Overview</h1></header>
        ${tiles(stats, request)} ${card("Needs attention", troubleList(troubles, request))}
        <p class="quiet counted">Counted ${time(stats.counted_at)}.</p>`,
    };
  },
});

/** Only admin keys may see them. */
async function connectionsOf({ api, caller }: PageRequest): Promise<readonly Connection[]> {
  if (scopeRefusal(caller, "admin") !== null) return [];
  return (await api.get<Page<Connection>>("/v1/connections", { limit: 100 })).data;
}

function tiles(stats: Stats, { links }: PageRequest): Markup {
  const { jobs, deliveries } = stats;
  const live = of(jobs, "pending") + of(jobs, "processing");
  const settled =
    of(deliveries, "delivered") + of(deliveries, "exhausted") + of(deliveries, "gone");
  const rate =
    settled === 0 ? "–" : `${((of(deliveries, "delivered") / settled) * 100).toFixed(1)} %`;
  const about = jobs.estimated || deliveries.estimated;
  return html`<dl class="tiles">
    ${tile("Live jobs", count(live), links.to("jobs", { status: "processing" }))}
    ${tile("Completed jobs", count(of(jobs, "completed"), about), links.to("jobs", { status: "completed" }))}
    ${tile("Failed jobs", count(of(jobs, "failed"), about), links.to("jobs", { status: "failed" }))}
    ${tile("Pending deliveries", count(of(deliveries, "pending")), links.to("deliveries", { status: "pending" }))}
    ${tile("Exhausted deliveries", count(of(deliveries, "exhausted"), about), links.to("deliveries", { status: "exhausted" }))}
    ${tile("Callbacks taken", rate, links.to("deliveries", { status: "delivered" }))}
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

function troubleOfConnection(one: Connection): Trouble[] {
  if (one.state === "active" && (one.load === null || one.load.breaker === "closed")) return [];
  const reason = one.paused_reason ?? "The API fails, and is only probed.";
  return [
    {
      badge: status(one.state === "paused" ? "paused" : "failing"),
      text: html`Connection <strong>${one.provider} ${one.name}</strong>: ${reason}`,
      path: "connections",
    },
  ];
}

function troubleOfOrigin(one: CallbackOrigin): Trouble[] {
  if (one.state === "ok") return [];
  const pending = one.pending_deliveries.toLocaleString("en-US");
  const error = one.last_error?.message ?? one.last_error?.code ?? "";
  return [
    {
      badge: status(one.state),
      text: html`Callback origin <strong>${one.origin}</strong>: ${pending} waiting. ${error}`,
      path: "callback-origins",
    },
  ];
}

function troubleOfDeliveries({ deliveries }: Stats): Trouble[] {
  const exhausted = of(deliveries, "exhausted");
  if (exhausted === 0) return [];
  return [
    {
      badge: status("exhausted"),
      text: html`<strong>${counted(exhausted, "delivery", "deliveries")}</strong> given up after the
        last attempt. Send them again once their receivers are mended.`,
      path: "deliveries?status=exhausted",
    },
  ];
}

function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

function troubleList(troubles: readonly Trouble[], { links }: PageRequest): Markup {
  if (troubles.length === 0) {
    return html`<p class="quiet">
      Nothing: no connection is paused, no receiver fails, and no delivery was given up.
    </p>`;
  }
  const left = troubles.length - SHOWN_MAX;
  return html`<ul class="troubles">
      ${troubles
        .slice(0, SHOWN_MAX)
        .map(
          ({ badge, text, path }) =>
            html`<li>${badge} <span>${text}</span> <a href="${links.to(path)}">Look</a></li>`,
        )}
    </ul>
    ${left > 0 ? html`<p class="quiet">and ${left} more</p>` : NOTHING}`;
}
