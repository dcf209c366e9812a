import { html } from "hono/html";
import { readPastedAnswer } from "../../providers/trial/pasted-answer.ts";
import { ApiProblem } from "../http/gateway-api.ts";
import type { ProviderTrial, ProviderWithDefinition } from "../http/models.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
} from "../http/page.ts";
import { CSRF_FIELD, select, textArea, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { problemNotice } from "./problem-notice.ts";
import { providerHeader } from "./provider-page.ts";
import { trialView } from "./trial-view.ts";

const PATH = "/providers/:name/try";
const FIELDS = ["kind", "answer", "status", "age", "seen", "path", "job", "connection"] as const;

type Form = Readonly<Record<(typeof FIELDS)[number], string>>;

const KINDS = [
  { value: "status", text: "answers a poll" },
  { value: "result", text: "answers the request for the result" },
  { value: "submission", text: "answers the submission of a job" },
  { value: "job", text: "is asked for now, about a job" },
];

export const tryProviderPage = definePage({
  path: PATH,
  scope: "admin",
  async show(request) {
    const { api, id, query } = request;
    const provider = await api.get<ProviderWithDefinition>(`/v1/providers/${id}`);
    const form = formOf(query);
    return page(request, { provider, form, below: NOTHING });
  },
});

/** Reads an answer as a poll would, and shows each decision. Nothing is stored. */
export const tryProvider = defineAction({
  path: PATH,
  scope: "admin",
  back: ({ id }) => `providers/${id}/try`,
  async act(request) {
    const { api, id } = request;
    const provider = await api.get<ProviderWithDefinition>(`/v1/providers/${id}`);
    const form = formOf(request.form);
    return page(request, { provider, form, below: await tried(request, form) });
  },
});

async function tried({ api, id }: ActionRequest, form: Form): Promise<Markup> {
  try {
    const wish = wishOf(form);
    const trial = await api.send<ProviderTrial>("POST", `/v1/providers/${id}/try`, wish);
    return await trialView(trial);
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    return problemNotice(error.body);
  }
}

/** @throws ApiProblem for an answer that can't be understood */
function wishOf(form: Form): object {
  const facts = {
    ...(form.age !== "" && { age_s: Number(form.age) }),
    seen_before: form.seen === "yes",
  };
  if (form.kind === "job") {
    const { job, connection } = form;
    return { job_id: job, ...(connection !== "" && { connection }), ...facts };
  }
  const answer = answerOf(form);
  switch (form.kind) {
    case "submission":
      return { answer, submission: { method: "POST", path: form.path === "" ? "/" : form.path } };
    case "result":
      return { answer, request: "result", ...facts };
    default:
      return { answer, ...facts };
  }
}

function answerOf({ answer: text, status }: Form): object {
  const read = readPastedAnswer(Buffer.from(text), Number(status));
  if (read.ok) {
    const { answer } = read;
    return { ...answer, body: Buffer.from(answer.body).toString("utf8") };
  }
  throw new ApiProblem({
    title: "Answer not understood",
    status: 400,
    code: "validation_failed",
    detail:
      "The answer is neither what curl -i prints, nor a sample with status, headers and body.",
    errors: read.faults,
  });
}

function formOf(given: URLSearchParams): Form {
  const defaults: Partial<Form> = { kind: "status", status: "200", age: "0" };
  const entries = FIELDS.map((name) => [name, given.get(name) ?? defaults[name] ?? ""] as const);
  return Object.fromEntries(entries) as Form;
}

function page(
  request: PageRequest,
  shown: {
    readonly provider: ProviderWithDefinition;
    readonly form: Form;
    readonly below: Markup;
  },
): PageReply {
  const { links, csrfToken, id } = request;
  const { provider, form, below } = shown;
  return {
    kind: "page",
    title: `Try ${provider.title}`,
    section: "providers",
    body: html`${providerHeader(provider, request, "Try")}
      <form class="fields wide" method="post" action="${links.to(`providers/${id}/try`)}">
        <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
        ${textArea("answer", "Answer: what curl -i printed, or its body", form.answer, {
          rows: 10,
          placeholder: 'HTTP/1.1 200 OK\ncontent-type: application/json\n\n{"status": "done"}',
        })}
        <div class="filter">
          ${select("kind", "The answer", KINDS, form.kind)}
          ${textField("status", "HTTP status of a body alone", form.status, { type: "number" })}
          ${textField("age", "Seconds since the job was accepted", form.age, { type: "number" })}
          ${select("seen", "The job was seen before", SEEN, form.seen)}
          ${textField("path", "Path of the submission", form.path, { placeholder: "/v1/jobs" })}
          ${textField("job", "Job to ask about", form.job, { placeholder: "its id" })}
          ${textField("connection", "Through the connection", form.connection, { placeholder: "default" })}
        </div>
        <button class="main">Try</button>
      </form>
      ${below}`,
  };
}

const SEEN = [
  { value: "", text: "no" },
  { value: "yes", text: "yes" },
];
