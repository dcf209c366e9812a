import { html } from "hono/html";
import type {
  CallbackOrigin,
  Connection,
  GatewayNode,
  LoadOfConnection,
  OperationalEvent,
  Stats,
} from "../../api/models.ts";
import { quoteVisibly } from "../../core/printable.ts";
import type { PageRequest } from "../http/page.ts";
import { badge, status, words } from "../view/badge.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { duration } from "../view/time.ts";

const SHOWN_MAX = 20;
/** A lane that was due for so long has more to do than it can. */
const BEHIND_S_MIN = 10;
const SHARD_COUNT = 256;

interface Trouble {
  readonly badge: Markup;
  readonly text: Markup;
  /** Where it is put right, below the console. */
  readonly path: string;
  /** The first is shown first. */
  readonly rank: number;
}

export interface Scene {
  readonly stats: Stats;
  readonly origins: readonly CallbackOrigin[];
  readonly connections: readonly Connection[];
  /** Over all nodes, by the connection's id. */
  readonly loads: ReadonlyMap<string, LoadOfConnection["total"]>;
  readonly nodes: readonly GatewayNode[];
  /** The latest of each provider, in the last day. */
  readonly unknownStatuses: readonly OperationalEvent[];
  readonly nowMs: number;
}

/** Problems that need attention, worst first. */
export function troublesOf(scene: Scene): Trouble[] {
  const { stats, origins, connections, loads, nodes, unknownStatuses, nowMs } = scene;
  return [
    ...troubleOfNodes(nodes),
    ...connections.flatMap((one) => troubleOfConnection(one, loads.get(one.id) ?? one.load)),
    ...origins.flatMap((one) => troubleOfOrigin(one, nowMs)),
    ...troubleOfDeliveries(stats),
    ...troubleOfDeadlines(stats),
    ...unknownStatuses.map(troubleOfUnknownStatus),
  ].toSorted((a, b) => a.rank - b.rank);
}

export function troubleList(troubles: readonly Trouble[], { links }: PageRequest): Markup {
  if (troubles.length === 0) {
    return html`<p class="quiet">
      All good: no connection is paused or behind, no receiver is failing, no delivery was given up,
      and no job is near its deadline.
    </p>`;
  }
  const left = troubles.length - SHOWN_MAX;
  return html`<ul class="troubles">
      ${troubles
        .slice(0, SHOWN_MAX)
        .map(
          ({ badge, text, path }) =>
            html`<li>${badge} <span>${text}</span> <a href="${links.to(path)}">Open</a></li>`,
        )}
    </ul>
    ${left > 0 ? html`<p class="quiet">and ${left} more</p>` : NOTHING}`;
}

function troubleOfNodes(nodes: readonly GatewayNode[]): Trouble[] {
  if (nodes.length === 0) return [];
  const owned = nodes.reduce((sum, { is_live: isLive, shards }) => sum + (isLive ? shards : 0), 0);
  const free = SHARD_COUNT - owned;
  if (free <= 0) return [];
  return [
    {
      badge: status("unowned"),
      text: html`<strong>${counted(free, "shard", "shards")}</strong> of ${SHARD_COUNT} have no
        node: their jobs are not polled. A node takes them over within seconds; if this stays, look
        into the nodes' logs.`,
      path: "overview#nodes",
      rank: 0,
    },
  ];
}

function troubleOfConnection(one: Connection, load: Connection["load"]): Trouble[] {
  const { id, provider, name, state } = one;
  const path = `connections#${id}`;
  const who = html`Connection <strong>${provider} ${name}</strong>`;
  if (state === "paused") {
    const reason = one.paused_reason ?? "";
    return [{ badge: status("paused"), text: html`${who}: ${reason}`, path, rank: 1 }];
  }
  if (load === null) return [];
  if (load.breaker !== "closed") {
    const text = html`${who}: the API fails, and is only probed.`;
    return [{ badge: status("failing"), text, path, rank: 1 }];
  }
  if (load.behind_s < BEHIND_S_MIN) return [];
  const held = load.limited_by === null ? "" : `, held back by: ${words(load.limited_by)}`;
  const text = html`${who} can't keep up: ${counted(load.waiting, "poll waits", "polls wait")}, the
  first for ${duration(load.behind_s * 1000)}${held}. Raise its limits if the API allows it.`;
  return [{ badge: status("behind"), text, path, rank: 4 }];
}

function troubleOfOrigin(one: CallbackOrigin, nowMs: number): Trouble[] {
  const pending = `${one.pending_deliveries.toLocaleString("en-US")}${one.pending_is_capped ? "+" : ""}`;
  const who = html`Callback origin <strong>${one.origin}</strong>`;
  if (one.state !== "ok") {
    const error = one.last_error?.message ?? words(one.last_error?.code ?? "");
    const text = html`${who}: ${pending} waiting. ${error}`;
    return [{ badge: status(one.state), text, path: "callback-origins", rank: 2 }];
  }
  const behindMs = one.first_due_at === null ? 0 : nowMs - Date.parse(one.first_due_at);
  if (behindMs < BEHIND_S_MIN * 1000) return [];
  const text = html`${who} can't keep up: ${pending} waiting, the first for ${duration(behindMs)}.
  Raise the limits of callbacks if the receiver allows it.`;
  return [{ badge: status("behind"), text, path: "project", rank: 4 }];
}

function troubleOfDeliveries({ deliveries }: Stats): Trouble[] {
  const exhausted = deliveries.by_status["exhausted"] ?? 0;
  if (exhausted === 0) return [];
  return [
    {
      badge: status("exhausted"),
      text: html`<strong>${counted(exhausted, "delivery", "deliveries")}</strong> given up after the
        last attempt. Send ${exhausted === 1 ? "it" : "them"} again once the receiver works.`,
      path: "deliveries?status=exhausted",
      rank: 3,
    },
  ];
}

function troubleOfDeadlines({ jobs, jobs_near_deadline: near }: Stats): Trouble[] {
  if (near === 0) return [];
  const about = jobs.estimated ? "About " : "";
  return [
    {
      badge: status("deadline"),
      text: html`<strong>${about}${counted(near, "job", "jobs")}</strong> near the deadline, at
        which ${near === 1 ? "it ends" : "they end"} as timed out.`,
      path: "jobs?deadline=near",
      rank: 5,
    },
  ];
}

function troubleOfUnknownStatus({ data }: OperationalEvent): Trouble {
  const text = (name: string): string => (typeof data[name] === "string" ? data[name] : "");
  return {
    badge: badge("unknown status", "warn"),
    text: html`Provider <strong>${text("provider")}</strong> answered the status
      <code>${quoteVisibly(text("status"))}</code>, which its definition does not know: such jobs
      count as running. Try the definition on the job, and add the status to it.`,
    path: `providers/${encodeURIComponent(text("provider"))}/try?${new URLSearchParams({ kind: "job", job: text("job_id") }).toString()}`,
    rank: 5,
  };
}

function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
