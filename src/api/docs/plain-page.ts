import { html, raw } from "hono/html";
import { pageHeaders } from "../../runtime/security-headers.ts";
import type { OpenApiDocument } from "./complete.ts";

type Markup = ReturnType<typeof html>;

/** The parts of an OpenAPI document that the page shows. */
interface Operation {
  readonly operationId?: string;
  readonly security?: readonly object[];
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

type Content = Readonly<Record<string, { readonly schema: unknown; readonly example?: unknown }>>;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #363c47); --soft: light-dark(#f5f6f8, #1c2027);
  --ink: light-dark(#1d2230, #e6e9ef); --paper: light-dark(#fff, #13161b); --quiet: light-dark(#5c6470, #9aa3b0); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  display: grid; grid-template-columns: minmax(12rem, 18rem) minmax(0, 60rem); gap: 2rem; }
nav { position: sticky; top: 0; max-height: 100vh; overflow: auto; box-sizing: border-box; padding: 1.5rem 1rem;
  border-right: 1px solid var(--line); font-size: 14px; }
nav ul { list-style: none; margin: .25rem 0 .75rem; padding: 0; }
nav a { display: block; padding: .1rem 0; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
nav input { width: 100%; padding: .4rem .5rem; margin-bottom: 1rem; font: inherit; }
main { padding: 1.5rem 1rem; }
[hidden] { display: none !important; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; max-height: none; border: 0; } }
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

/** Shows only the operations that contain every word of the search, in the navigation and below. */
const SCRIPT = `
const search = document.querySelector("nav input");
const found = [...document.querySelectorAll("[data-operation]")];
const groups = [...document.querySelectorAll("[data-group]")];
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\\s+/);
  for (const one of found) one.hidden = !words.every((word) => one.dataset.operation.includes(word));
  for (const group of groups) group.hidden = !group.querySelector("[data-operation]:not([hidden])");
});
`;

/** The page loads nothing, and runs only its own search. */
export const PLAIN_PAGE_HEADERS = pageHeaders({ style: STYLE, script: SCRIPT });

/** The OpenAPI document as one page that loads nothing. */
export async function plainPage(document: OpenApiDocument): Promise<string> {
  const operations = operationsOf(document);
  const byTag = Map.groupBy(operations, (operation) => operation.tags?.[0] ?? "Other");
  const schemas = Object.entries(document.components?.schemas ?? {});
  const described = new Map(document.tags?.map(({ name, description }) => [name, description]));
  const webhooks = Object.keys(document.webhooks ?? {});
  const origin = document.servers?.[0]?.url ?? "";
  const page = await html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>Ringback API</title>
      ${raw(`<style>${STYLE}</style>`)}
      <nav aria-label="Operations">
        <input type="search" placeholder="Search operations" aria-label="Search operations" />
        ${[...byTag].map(([tag, ofTag]) => navigation(tag, ofTag))}
        <ul>
          <li><a href="#webhooks">Webhooks</a></li>
          <li><a href="#schemas">Schemas</a></li>
        </ul>
      </nav>
      <main>
        <h1>Ringback API</h1>
        <p>${document.info.description ?? ""}</p>
        <p class="quiet">For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
        ${[...byTag].map(([tag, ofTag]) => section(tag, ofTag, described.get(tag) ?? "", origin))}
        <h2 id="webhooks">Webhooks</h2>
        <p>
          What receivers are sent, one schema for each type of event:
          ${webhooks.map((type) => html`<a href="#${eventSchemaOf(type)}">${type}</a> `)}
        </p>
        <h2 id="schemas">Schemas</h2>
        ${schemas.map(([name, schema]) => schemaArticle(name, schema))}
      </main>
      ${raw(`<script>${SCRIPT}</script>`)}
    </html>`;
  return page.toString();
}

function navigation(tag: string, operations: readonly Operation[]): Markup {
  return html`<div data-group>
    <strong>${tag}</strong>
    <ul>
      ${operations.map(
        (operation) =>
          html`<li data-operation="${searchText(operation)}">
            <a href="#${operation.operationId}">${operation.summary}</a>
          </li>`,
      )}
    </ul>
  </div>`;
}

function searchText({ method, path, summary, operationId }: Operation): string {
  return `${method} ${path} ${summary} ${operationId}`.toLowerCase();
}

function section(
  tag: string,
  operations: readonly Operation[],
  description: string,
  origin: string,
): Markup {
  return html`<section data-group>
    <h2>${tag}</h2>
    <p class="quiet">${description}</p>
    ${operations.map((operation) => operationArticle(operation, origin))}
  </section>`;
}

/** The request as a command. */
function curlOf({ method, path, security, requestBody }: Operation, origin: string): string {
  const body = requestBody?.content["application/json"]?.example;
  const lines = [
    `curl -X ${method.toUpperCase()} '${origin}${path}'`,
    ...(security === undefined ? ['-H "Authorization: Bearer $RINGBACK_API_KEY"'] : []),
    ...(body === undefined
      ? []
      : [
          "-H 'Content-Type: application/json'",
          `-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`,
        ]),
  ];
  return lines.join(" \\\n  ");
}

/** The example of a JSON response. */
function exampleAnswer(content: Content | undefined): Markup | "" {
  const example = content?.["application/json"]?.example;
  if (example === undefined) return "";
  return html`${raw("<pre>")}${JSON.stringify(example, null, 2)}${raw("</pre>")}`;
}

function operationArticle(operation: Operation, origin: string): Markup {
  const { method, path, summary, description, parameters, requestBody, responses } = operation;
  const [success] = Object.values(responses);
  return html`<article id="${operation.operationId}" data-operation="${searchText(operation)}">
    <h3>${method.toUpperCase()} ${path}</h3>
    <p>${summary ?? ""}</p>
    <p class="quiet">${description ?? ""}</p>
    ${parameters?.length ? parameterTable(parameters) : ""}
    ${requestBody ? html`<p>Body: ${contentOf(requestBody.content)}</p>` : ""}
    <details>
      <summary>Sample</summary>
      ${raw("<pre>")}${curlOf(operation, origin)}${raw("</pre>")} ${exampleAnswer(success?.content)}
    </details>
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

/** `job.timed_out` is `JobTimedOutEvent`. */
function eventSchemaOf(type: string): string {
  return `${type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}Event`;
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
