import { html } from "hono/html";
import type { ConnectionLoads, LoadOfConnection } from "../http/models.ts";
import { words } from "../view/badge.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { mono, table } from "../view/parts.ts";
import { duration, pace, time } from "../view/time.ts";

type Load = LoadOfConnection["total"];

/** The load of a connection as names and values; null for one without jobs. */
export function loadFacts(
  load: Load | null,
): (readonly [name: string, value: Markup | string | null])[] {
  if (load === null) return [["Live jobs", "none"]];
  return [
    ["Live jobs", count(load.jobs)],
    ["Polls", `${count(load.in_flight)} in progress, ${count(load.waiting)} waiting`],
    ["Behind", load.behind_s > 0 ? duration(load.behind_s * 1000) : null],
    ["Held back by", heldBackBy(load)],
    ["Rate allowed", rate(load)],
    ["No polls before", load.paused_until && time(load.paused_until)],
    ["API", load.breaker === "closed" ? null : "fails, and is only probed"],
  ];
}

/** The part of each node. */
export function nodesOf({ connection_id: id, nodes }: LoadOfConnection): Markup {
  return html`<details class="sent" id="nodes-${id}">
    <summary>${nodes.length} nodes</summary>
    ${table(
      "Load on each node",
      [
        { title: "Node", cell: (one) => mono(one.node_id) },
        { title: "Live jobs", isNumber: true, cell: ({ jobs }) => count(jobs) },
        { title: "In progress", isNumber: true, cell: (one) => count(one.in_flight) },
        { title: "Waiting", isNumber: true, cell: ({ waiting }) => count(waiting) },
        { title: "Behind", cell: (one) => duration(one.behind_s * 1000) },
        { title: "Rate allowed", cell: (one) => rate(one) ?? "no limit" },
        { title: "Held back by", cell: (one) => heldBackBy(one) ?? "" },
      ],
      nodes.map((one) => ({ ...one, id: `${id}-${one.node_id}` })),
    )}
  </details>`;
}

/** Says whose part the numbers lack. */
export function missingNodes({ missing_nodes: missing }: ConnectionLoads): Markup {
  if (missing.length === 0) return NOTHING;
  return html`<p class="notice bad" role="status">
    ${missing.length === 1 ? "One node" : `${missing.length} nodes`} did not answer in time, so
    their part of the load is missing: ${missing.join(", ")}.
  </p>`;
}

function heldBackBy({ limited_by: limit }: Load): string | null {
  return limit === null ? null : words(limit);
}

function rate({ effective_requests_per_second: perSecond }: Load): string | null {
  return perSecond === null ? null : pace(perSecond, "polls");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
