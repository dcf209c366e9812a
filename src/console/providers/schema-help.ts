import { html } from "hono/html";
import type { PageRequest } from "../http/page.ts";
import type { Markup } from "../view/markup.ts";
import { card } from "../view/parts.ts";

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
