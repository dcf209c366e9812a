import { html } from "hono/html";
import { ApiProblem } from "../http/gateway-api.ts";
import type { Provider, ProviderWithDefinition } from "../http/models.ts";
import type { PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { sourceBadge } from "./list-page.ts";

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
