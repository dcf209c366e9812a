import { html } from "hono/html";
import type { Provider, ProviderVersion, ProviderWithDefinition } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, may, type PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, facts, pre } from "../view/parts.ts";
import { duration, time } from "../view/time.ts";
import { providerHeader, schemaHelp } from "./provider-parts.ts";
import { shownDefinition, versionTable } from "./versions-page.ts";

/** One provider: what it does, its definition as it was written, and its versions. */
export const providerPage = definePage({
  path: "/providers/:name",
  scope: "subscriptions:read",
  async show(request) {
    const { api, id } = request;
    const provider = await api.get<ProviderWithDefinition>(`/v1/providers/${id}`);
    const isAdmin = may(request, "admin");
    const versions =
      provider.source === "project" && isAdmin
        ? (await api.get<Page<ProviderVersion>>(`/v1/providers/${id}/versions`)).data
        : [];
    return {
      kind: "page",
      title: provider.title,
      section: "providers",
      body: html`${providerHeader(provider, request)}
        ${isAdmin ? doors(provider, request) : NOTHING}
        <div class="columns">
          <div class="whole">${card("Definition", pre(shownDefinition(provider.definition)))}</div>
          <div>
            ${card("Provider", providerFacts(provider))}
            ${versions.length === 0 ? NOTHING : card("Versions", versionTable(versions, request), comparison(versions, request))}
            ${await schemaHelp(request)}
          </div>
        </div>`,
    };
  },
});

function doors({ name }: Provider, { links }: PageRequest): Markup {
  return html`<div class="actions bar">
    <a class="button main" href="${links.to(`providers/${name}/try`)}">Try on an answer</a>
    <a class="button" href="${links.to(`providers/${name}/edit`)}">Edit</a>
  </div>`;
}

/** Leads from the newest version to what it changed. */
function comparison(
  [newest, before]: readonly ProviderVersion[],
  { links, id }: PageRequest,
): Markup {
  if (newest === undefined || before === undefined) return NOTHING;
  const between = { version: String(newest.version), against: String(before.version) };
  return html`<a class="button" href="${links.to(`providers/${id}/versions`, between)}"
    >Compare the last two</a
  >`;
}

function providerFacts(of: Provider): Markup {
  const { limits, documentation_url: documentation } = of;
  const rate = limits.requests_per_second;
  return facts([
    ["Address", of.base_url ?? "each connection's own"],
    ["Documentation", documentation],
    ["Version", of.version === null ? "built in" : String(of.version)],
    ["Put", of.version_created_at && time(of.version_created_at)],
    ["Required params", of.required_params.join(", ") || "none"],
    [
      "Other params",
      of.params.filter((one) => !of.required_params.includes(one)).join(", ") || null,
    ],
    ["Cancels jobs", of.supports_cancel ? "yes" : "no"],
    [
      "Deadline",
      `${duration(of.default_deadline_s * 1000)}, ${duration(of.deadline_s_max * 1000)} at most`,
    ],
    ["Polls", `${limits.concurrency} at once, ${rate ?? "any number"} a second`],
  ]);
}
