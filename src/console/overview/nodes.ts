import { html } from "hono/html";
import type { GatewayNode } from "../http/models.ts";
import { badge } from "../view/badge.ts";
import type { Markup } from "../view/markup.ts";
import { mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

/** The gateway's processes: which shards are whose, and until when. */
export function nodeTable(nodes: readonly GatewayNode[]): Markup {
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
