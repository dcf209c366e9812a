import { html } from "hono/html";
import type { AuditEntry } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage } from "../http/page.ts";
import type { Markup } from "../view/markup.ts";
import { mono, pager, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;

/** Who changed keys, secrets, connections and settings, and from where. */
export const auditPage = definePage({
  path: "/audit-log",
  scope: "admin",
  async show({ api, query, links }) {
    const { data, next_cursor: next } = await api.get<Page<AuditEntry>>("/v1/audit-log", {
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    return {
      kind: "page",
      title: "Audit log",
      section: "audit",
      body: html`<header class="title"><h1>Audit log</h1></header>
        ${table(
          "Changes, newest first",
          [
            { title: "Time", cell: (entry) => time(entry.created_at) },
            { title: "Change", cell: (entry) => entry.action },
            { title: "Subject", cell: (entry) => mono(entry.subject) },
            { title: "Details", cell: detailsOf },
            { title: "By", cell: actorOf },
            { title: "From", cell: (entry) => entry.address ?? "this machine" },
          ],
          data,
        )}
        ${pager({
          first: query.has("cursor") ? links.to("audit-log") : null,
          next: next === null ? null : links.to("audit-log", { cursor: next }),
        })}`,
    };
  },
});

function detailsOf({ details }: AuditEntry): string {
  const given = Object.entries(details).filter(([, value]) => value !== null);
  return given.map(([name, value]) => `${name}: ${[value].flat().join(", ")}`).join("; ");
}

function actorOf({ actor }: AuditEntry): Markup {
  return actor.kind === "api_key" ? mono(actor.id) : html`operator: ${actor.command}`;
}
