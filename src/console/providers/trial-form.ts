import { html } from "hono/html";
import { readPastedAnswer } from "../../providers/trial/pasted-answer.ts";
import { ApiProblem } from "../http/gateway-api.ts";
import { select, textArea, textField } from "../view/forms.ts";
import type { Markup } from "../view/markup.ts";

const FIELDS = ["kind", "answer", "status", "age", "seen", "path", "job", "connection"] as const;

/** The fields of a trial as they were typed. */
export type TrialForm = Readonly<Record<(typeof FIELDS)[number], string>>;

const KINDS = [
  { value: "status", text: "answers a poll" },
  { value: "result", text: "answers the request for the result" },
  { value: "submission", text: "answers the submission of a job" },
  { value: "job", text: "is asked for now, about a job" },
];

const SEEN = [
  { value: "", text: "no" },
  { value: "yes", text: "yes" },
];

export function readTrialForm(given: URLSearchParams): TrialForm {
  const defaults: Partial<TrialForm> = { kind: "status", status: "200", age: "0" };
  const entries = FIELDS.map((name) => [name, given.get(name) ?? defaults[name] ?? ""] as const);
  return Object.fromEntries(entries) as TrialForm;
}

/**
 * The body of `POST /v1/providers/{name}/try`.
 * @throws ApiProblem for an answer that can't be understood
 */
export function trialRequestOf(form: TrialForm): object {
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

function answerOf({ answer: text, status }: TrialForm): object {
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

export function trialFields(form: TrialForm): Markup {
  return html`${textArea("answer", "Answer: what curl -i printed, or its body", form.answer, {
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
    </div>`;
}
