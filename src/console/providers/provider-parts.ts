import { html } from "hono/html";
import { ApiProblem, type ProblemBody } from "../http/gateway-api.ts";
import type { Provider, ProviderWithDefinition } from "../../api/models.ts";
import type { PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { sourceBadge } from "./list-page.ts";
import { card } from "../view/parts.ts";

/** @param part the page below that of the provider, as a verb: `Edit`; empty for the provider's own */
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

/** A problem beside what it is about, with every place that is wrong. */
export function problemNotice({ detail, errors = [] }: ProblemBody): Markup {
  const places = errors.map(
    ({ pointer = "", detail: what }) =>
      html`<li><code>${pointer === "" ? "/" : pointer}</code> ${what}</li>`,
  );
  return html`<div class="notice bad" role="alert">
    <p>${detail}</p>
    ${
      places.length === 0
        ? NOTHING
        : html`<ul>
            ${places}
          </ul>`
    }
  </div>`;
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** The fields of a definition, as its JSON Schema explains them. */
export async function schemaHelp({ api, links }: PageRequest): Promise<Markup> {
  const { properties = {}, required = [] } = await api.get<Schema>("/v1/providers/schema");
  return card(
    "Fields of a definition",
    html`<dl class="fields-help">
        ${Object.entries(properties).map(
          ([name, { description = "", properties: inner = {} }]) =>
            html`<div>
              <dt>
                <code>${name}</code>
                ${required.includes(name) ? html`<span class="quiet">required</span>` : ""}
              </dt>
              <dd>
                ${description}
                ${Object.keys(inner).length === 0 ? "" : html`<span class="quiet">With ${Object.keys(inner).join(", ")}.</span>`}
              </dd>
            </div>`,
        )}
      </dl>
      <p class="quiet spaced">
        <a href="${links.toGateway("v1/providers/schema")}" hx-boost="false"
          >JSON Schema for editors</a
        >
      </p>`,
  );
}
