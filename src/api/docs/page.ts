import { html, raw } from "hono/html";
import { pageHeaders } from "../../runtime/page-headers.ts";
import type { OpenApiDocument } from "./complete.ts";

type Markup = ReturnType<typeof html>;

/** The parts of an OpenAPI document that the page shows. */
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Content }>
  >;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: { readonly description?: string };
}

type Content = Readonly<Record<string, { readonly schema: unknown }>>;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #363c47); --soft: light-dark(#f5f6f8, #1c2027);
  --ink: light-dark(#1d2230, #e6e9ef); --paper: light-dark(#fff, #13161b); --quiet: light-dark(#5c6470, #9aa3b0); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { font: 600 15px/1.4 ui-monospace, monospace; margin: 0; overflow-wrap: anywhere; }
a { color: inherit; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
p { margin: .4rem 0; white-space: pre-line; }
.quiet { color: var(--quiet); }
summary { cursor: pointer; }
pre { padding: .75rem; overflow: auto; background: var(--soft); border-radius: 6px; }
pre, code { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); }
`;

/** The page loads nothing and runs nothing. */
export const DOCUMENTATION_PAGE_HEADERS = pageHeaders({ style: STYLE });

/** The OpenAPI document as one page that loads nothing. */
export async function documentationPage(document: OpenApiDocument): Promise<string> {
  const operations = operationsOf(document);
  const byTag = Map.groupBy(operations, (operation) => operation.tags?.[0] ?? "Other");
  const schemas = Object.entries(document.components?.schemas ?? {});
  const page = await html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>Ringback API</title>
      ${raw(`<style>${STYLE}</style>`)}
      <h1>Ringback API</h1>
      <p>${document.info.description ?? ""}</p>
      <p class="quiet">For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
      ${[...byTag].map(([tag, ofTag]) => section(tag, ofTag))}
      <h2>Schemas</h2>
      ${schemas.map(([name, schema]) => schemaArticle(name, schema))}
    </html>`;
  return page.toString();
}

function section(tag: string, operations: readonly Operation[]): Markup {
  return html`<h2>${tag}</h2>
    ${operations.map(operationArticle)}`;
}

function operationArticle(operation: Operation): Markup {
  const { method, path, summary, description, parameters, requestBody, responses } = operation;
  return html`<article>
    <h3>${method.toUpperCase()} ${path}</h3>
    <p>${summary ?? ""}</p>
    <p class="quiet">${description ?? ""}</p>
    ${parameters?.length ? parameterTable(parameters) : ""}
    ${requestBody ? html`<p>Body: ${contentOf(requestBody.content)}</p>` : ""}
    <details>
      <summary>Answers</summary>
      <table>
        ${Object.entries(responses).map(
          ([status, response]) =>
            html`<tr>
              <th>${status}</th>
              <td><p>${response.description}</p></td>
              <td>${response.content ? contentOf(response.content) : ""}</td>
            </tr>`,
        )}
      </table>
    </details>
  </article>`;
}

function parameterTable(parameters: readonly Parameter[]): Markup {
  return html`<table>
    ${parameters.map(
      ({ name, in: place, required, schema }) =>
        html`<tr>
          <td><code>${name}</code></td>
          <td class="quiet">${place}${required ? ", required" : ""}</td>
          <td>${schema?.description ?? ""}</td>
        </tr>`,
    )}
  </table>`;
}

function contentOf(content: Content): Markup[] {
  return Object.entries(content).map(([type, { schema }]) => {
    const name = nameOfReference(schema);
    return name === null
      ? html`<code>${type}</code>`
      : html`<code>${type}</code> <a href="#${name}">${name}</a>`;
  });
}

function nameOfReference(schema: unknown): string | null {
  if (typeof schema !== "object" || schema === null || !("$ref" in schema)) return null;
  return String(schema.$ref).split("/").at(-1) ?? null;
}

function schemaArticle(name: string, schema: unknown): Markup {
  return html`<article id="${name}">
    <h3>${name}</h3>
    <details>
      <summary>JSON Schema</summary>
      ${raw("<pre>")}${JSON.stringify(schema, null, 2)}${raw("</pre>")}
    </details>
  </article>`;
}

function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, Omit<Operation, "path" | "method">>>).map(
      ([method, operation]) => Object.assign({ method, path }, operation),
    ),
  );
}
