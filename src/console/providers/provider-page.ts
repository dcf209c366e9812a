import { html } from "hono/html";
import { ApiProblem } from "../http/gateway-api.ts";
import type { Page, Provider, ProviderVersion, ProviderWithDefinition } from "../http/models.ts";
import { definePage, may, type PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, facts, pre, table } from "../view/parts.ts";
import { duration, time } from "../view/time.ts";
import { sourceBadge } from "./list-page.ts";
import { schemaHelp } from "./schema-help.ts";

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
          <div class="whole">
            ${card("Definition", pre(JSON.stringify(provider.definition, null, 2)))}
          </div>
          <div>
            ${card("Provider", providerFacts(provider))}
            ${versions.length === 0 ? NOTHING : card("Versions", versionTable(versions))}
            ${await schemaHelp(request)}
          </div>
        </div>`,
    };
  },
});

export function providerHeader(
  provider: Pick<Provider, "name" | "title" | "source">,
  { links }: PageRequest,
  part = "",
): Markup {
  const { name, title } = provider;
  return html`<header class="title">
    <p class="crumbs">
      <a href="${links.to("providers")}">Providers</a>
      ${part === "" ? NOTHING : html`/ <a href="${links.to(`providers/${name}`)}">${name}</a>`}
    </p>
    <h1>${part === "" ? title : `${part} ${title}`}</h1>
    <p>${sourceBadge(provider)} <code>${name}</code></p>
  </header>`;
}

/** The definition that is edited or tried; null when the project has none of the name yet. */
export async function knownProvider(request: PageRequest): Promise<ProviderWithDefinition | null> {
  try {
    return await request.api.get<ProviderWithDefinition>(`/v1/providers/${request.id}`);
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}

function doors({ name }: Provider, { links }: PageRequest): Markup {
  return html`<div class="actions bar">
    <a class="button main" href="${links.to(`providers/${name}/try`)}">Try on an answer</a>
    <a class="button" href="${links.to(`providers/${name}/edit`)}">Edit</a>
  </div>`;
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

function versionTable(versions: readonly ProviderVersion[]): Markup {
  return table(
    "Versions, newest first",
    [
      { title: "Version", isNumber: true, cell: ({ version }) => String(version) },
      { title: "Put", cell: ({ created_at: at }) => time(at) },
      { title: "Deleted", cell: ({ deleted_at: at }) => (at === null ? "" : time(at)) },
    ],
    versions.map((one) => Object.assign({ id: `version-${one.version}` }, one)),
  );
}
