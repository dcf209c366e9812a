import { html } from "hono/html";
import { ApiProblem } from "../http/gateway-api.ts";
import type { ProviderTrial, ProviderWithDefinition } from "../../api/models.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
  redirect,
} from "../http/page.ts";
import { diffLines, diffView } from "../view/diff.ts";
import { actionButton, CSRF_FIELD, textArea, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card } from "../view/parts.ts";
import { knownProvider, providerHeader, problemNotice, schemaHelp } from "./provider-parts.ts";
import { readTrialForm, type TrialForm, trialFields, trialRequestOf } from "./trial-form.ts";
import { trialView } from "./trial-view.ts";
import { readVersion, shownDefinition as shown } from "./versions-page.ts";

const PATH = "/providers/:name/edit";
/** The value of the button that tries a definition on an answer. */
const TRY = "try";
/** An answer on which a definition is tried only to see whether it can be used. */
const ANY_ANSWER = { status: 200, body: "{}" };

export const editProviderPage = definePage({
  path: PATH,
  scope: "admin",
  async show(request) {
    const known = await knownProvider(request);
    const definition = await begunFrom(request, known);
    const form = readTrialForm(new URLSearchParams());
    return page(request, { known, text: shown(definition), form, below: NOTHING });
  },
});

/** The current definition, or what the address names: an older version of it, or another provider. */
async function begunFrom(
  { api, query, id }: PageRequest,
  known: ProviderWithDefinition | null,
): Promise<object> {
  const name = decodeURIComponent(id);
  const [version, from] = [query.get("version") ?? "", query.get("from") ?? ""];
  if (version !== "") return (await readVersion(api, id, version)).definition;
  if (known !== null) return known.definition;
  if (from === "") return exampleOf(name);
  const copied = await api.get<ProviderWithDefinition>(`/v1/providers/${encodeURIComponent(from)}`);
  return { ...copied.definition, name };
}

/** Leads to the page on which a definition of this name is written. */
export const newProviderPage = definePage({
  path: "/provider-new",
  scope: "admin",
  show({ query, links }) {
    const name = (query.get("name") ?? "").trim();
    if (name === "") return Promise.resolve(redirect("providers"));
    const to = links.to(`providers/${encodeURIComponent(name)}/edit`, { from: query.get("from") });
    return Promise.resolve(redirect(to.slice(links.to("").length)));
  },
});

/** Shows what would change, or what is wrong; when it is asked for, also how an answer would be read. */
export const checkDefinition = defineAction({
  path: PATH,
  scope: "admin",
  back: ({ id }) => `providers/${id}/edit`,
  async act(request) {
    const text = request.form.get("definition") ?? "";
    const form = readTrialForm(request.form);
    const known = await knownProvider(request);
    const isTried = request.form.get("check") === TRY;
    try {
      const definition = readDefinition(text);
      const wanted = isTried ? trialRequestOf(form) : { answer: ANY_ANSWER };
      const path = `/v1/providers/${request.id}/try`;
      const trial = await request.api.send<ProviderTrial>("POST", path, { definition, ...wanted });
      const named = { name: nameOf(request), ...definition };
      const below = html`${isTried ? trialView(trial) : NOTHING} ${changes(request, known, named)}`;
      return await page(request, { known, text, form, below });
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      return page(request, { known, text, form, below: problemNotice(error.body) });
    }
  },
});

export const putProvider = defineAction({
  path: "/providers/:name/put",
  scope: "admin",
  back: ({ id }) => `providers/${id}/edit`,
  async act({ api, id, form }) {
    const definition = readDefinition(form.get("definition") ?? "");
    const { version } = await api.send<ProviderWithDefinition>(
      "PUT",
      `/v1/providers/${id}`,
      definition,
    );
    return redirect(`providers/${id}`, `Version ${version} is used for new jobs from now on.`);
  },
});

async function page(
  request: PageRequest,
  shown: {
    readonly known: ProviderWithDefinition | null;
    readonly text: string;
    readonly form: TrialForm;
    readonly below: Markup;
  },
): Promise<PageReply> {
  const { links, csrfToken, id } = request;
  const { known, text, form, below } = shown;
  const name = nameOf(request);
  const isOwn = known === null || known.source === "project";
  return {
    kind: "page",
    title: `Edit ${name}`,
    section: "providers",
    body: html`${providerHeader(known ?? { name, title: name, source: "project" }, request, known === null ? "Define" : "Edit")}
      ${isOwn ? NOTHING : copyForm(name, request)} ${below}
      <div class="columns">
        <div>
          <form class="fields wide" method="post" action="${links.to(`providers/${id}/edit`)}">
            <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
            ${textArea("definition", "Definition, a JSON object", text, { rows: 28 })}
            <details id="trial" ${form.answer === "" && form.job === "" ? "" : "open"}>
              <summary>Try it on an answer, before it is used</summary>
              ${trialFields(form)}
              <button name="check" value="${TRY}">Try it as it is here</button>
            </details>
            <button class="main">Compare with the last version</button>
          </form>
        </div>
        <div>${await schemaHelp(request)}</div>
      </div>`,
  };
}

/** A provider that comes along can't be changed, but copied. */
function copyForm(from: string, { links }: PageRequest): Markup {
  return html`<p class="lead">
      ${from} is built into the gateway and changes only with it. To make it your own, put a copy
      under another name:
    </p>
    <form class="filter" method="get" action="${links.to("provider-new")}">
      <input type="hidden" name="from" value="${from}" />
      ${textField("name", "Name of the copy", "", { placeholder: `my-${from}` })}
      <button class="main">Copy</button>
    </form>`;
}

function changes(
  request: ActionRequest,
  known: ProviderWithDefinition | null,
  definition: object,
): Markup {
  const { links, csrfToken, id } = request;
  const lines = diffLines(known === null ? "" : shown(known.definition), shown(definition));
  if (lines.every(({ kind }) => kind === "same")) {
    return html`<p class="notice good" role="status">
      Nothing has changed since the last version.
    </p>`;
  }
  const isOwn = known === null || known.source === "project";
  const put = isOwn
    ? actionButton({
        to: links.to(`providers/${id}/put`),
        csrfToken,
        label: known === null ? "Put it" : "Put this version",
        tone: "main",
        fields: html`<input
          type="hidden"
          name="definition"
          value="${JSON.stringify(definition)}"
        />`,
      })
    : NOTHING;
  return card("It can be used. What changes:", diffView(lines), put);
}

/** @throws ApiProblem for what is not a JSON object */
function readDefinition(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(`It is not JSON: ${error instanceof Error ? error.message : ""}.`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw malformed("A definition is a JSON object.");
}

function malformed(detail: string): ApiProblem {
  return new ApiProblem({ title: "Malformed JSON", status: 400, code: "malformed_json", detail });
}

function nameOf({ id }: PageRequest): string {
  return decodeURIComponent(id);
}

/** The smallest that can be used. */
function exampleOf(name: string): object {
  return {
    name,
    title: name,
    base_url: "https://api.example.com",
    auth: { kind: "bearer" },
    status: { path: "/jobs/{job_id}" },
    rules: [
      { http_status: 200, all: [{ pointer: "/status", eq: "running" }], observe: "running" },
      { http_status: 200, all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
      { http_status: 200, all: [{ pointer: "/status", eq: "failed" }], observe: "failed" },
    ],
  };
}
