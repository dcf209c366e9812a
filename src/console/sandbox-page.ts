import { isJson } from "../core/json/json-syntax.ts";
import { randomBytes } from "node:crypto";
import { html } from "hono/html";
import type { Callback } from "../sandbox/inbox.ts";
import { messageOfFaults, OUTCOMES } from "../sandbox/jobs/job-request.ts";
import { MISBEHAVIORS } from "../sandbox/jobs/misbehavior.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { ApiProblem, type GatewayApi } from "./http/gateway-api.ts";
import type { InboxMessages, Subscription } from "../api/models.ts";
import {
  type ActionRequest,
  type ConsoleReply,
  type ConsoleRoute,
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
  redirect,
} from "./http/page.ts";
import { badge, status, words } from "./view/badge.ts";
import { fieldsForm, select, textArea, textField } from "./view/forms.ts";
import { jsonView } from "./view/json-view.ts";
import { type Markup, NOTHING } from "./view/markup.ts";
import { card, facts, mono, pre } from "./view/parts.ts";
import { time } from "./view/time.ts";
import { waitOf } from "./view/waits.ts";

const SCOPE = "subscriptions:write";
const RUN_BYTES = 6;
/** In the address of the page: which inbox of the sandbox the last run went to. */
const RUN_NAME = /^console-[0-9a-f]{12}$/;
const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;
/** The inbox of the project that runs without a receiver go to, and its reader here. */
const PULLED_INBOX = "sandbox";
const PULLED_BY = "console";
const MESSAGES_SHOWN = 20;
const BODY_CHARACTERS_SHOWN = 4000;
/** A person watches the retries. */
const RETRY_SCHEDULE_S = [1, 2, 4];

/** The receivers that a run can have; the query of each is for the sandbox's inbox. */
const RECEIVERS = {
  good: { text: "takes the callback", query: "" },
  late: { text: "answers 503 twice, then takes it", query: "?fail=2" },
  broken: { text: "answers 500 each time", query: "?status=500" },
  gone: { text: "answers 410: gone", query: "?status=410" },
  pulled: { text: "none: an inbox that is read", query: null },
} as const;

type ReceiverName = keyof typeof RECEIVERS;

/** The page on which a job of the sandbox is run, and its ending seen to come back. */
export function sandboxRoutes(sandbox: Sandbox): readonly ConsoleRoute[] {
  return [
    definePage({ path: "/sandbox", scope: SCOPE, show: (request) => show(request, sandbox) }),
    defineAction({
      path: "/sandbox",
      scope: SCOPE,
      back: () => "sandbox",
      act: (request) => run(request, sandbox),
    }),
  ];
}

/** Problems are shown above the form, which keeps what was typed. */
async function run(request: ActionRequest, sandbox: Sandbox): Promise<ConsoleReply> {
  try {
    const started = await start(request, sandbox);
    if (typeof started === "string") return page(request, { problem: started, run: NOTHING });
    return redirect(`sandbox?${new URLSearchParams({ ...started }).toString()}`);
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    return page(request, { problem: error.body.detail, run: NOTHING });
  }
}

/** Submits the job and subscribes to it; a text is the reason why that was not done. */
async function start(
  { api, form, nowMs }: ActionRequest,
  sandbox: Sandbox,
): Promise<{ readonly run: string; readonly subscription: string } | string> {
  const result = (form.get("result") ?? "").trim();
  if (result !== "" && !isJson(result)) return "The result is not valid JSON.";
  const submission = sandbox.submit(jobOf(form, result));
  switch (submission.kind) {
    case "full":
      return "The sandbox is full of jobs that have not ended.";
    case "invalid":
      return `The job was not accepted: ${messageOfFaults(submission.faults)}.`;
    case "accepted": {
      const name = `console-${randomBytes(RUN_BYTES).toString("hex")}`;
      const { query } = RECEIVERS[receiverOf(form.get("receiver"))];
      if (query === null) await skipOldMessages(api, nowMs);
      const { id } = await api.send<Subscription>("POST", "/v1/subscriptions", {
        provider: "sandbox",
        job_id: submission.job.id,
        ...(query === null
          ? { inbox: PULLED_INBOX }
          : { callback_url: sandbox.inboxUrl(name, query), retry_schedule_s: RETRY_SCHEDULE_S }),
      });
      return { run: name, subscription: id };
    }
  }
}

/**
 * The body of the submission.
 * @param result JSON text or nothing; goes in as it is, so that its digits are kept
 */
function jobOf(form: URLSearchParams, result: string): string {
  const seconds = (form.get("duration_s") ?? "").trim();
  const job = JSON.stringify({
    duration_s: seconds === "" ? undefined : Number(seconds),
    outcome: form.get("outcome") ?? undefined,
    misbehaviour: form.get("misbehaviour") ?? undefined,
  });
  return result === "" ? job : `${job.slice(0, -1)}${job === "{}" ? "" : ","}"result":${result}}`;
}

function receiverOf(text: string | null): ReceiverName {
  return text !== null && Object.hasOwn(RECEIVERS, text) ? (text as ReceiverName) : "good";
}

/** The page shows messages of its own run only. */
async function skipOldMessages(api: GatewayApi, nowMs: number): Promise<void> {
  await api.send("PUT", `/v1/inboxes/${PULLED_INBOX}`);
  await api.send("POST", `/v1/inboxes/${PULLED_INBOX}/consumers/${PULLED_BY}/seek`, {
    after: new Date(nowMs).toISOString(),
  });
}

async function show(request: PageRequest, sandbox: Sandbox): Promise<ConsoleReply> {
  const { api, query } = request;
  const subscription = await subscriptionOf(api, query.get("subscription") ?? "");
  if (subscription === null) return page(request, { problem: null, run: NOTHING });
  const name = query.get("run") ?? "";
  const run = html`${card("The run", runFacts(subscription, request))}
  ${await arrivals(subscription, name, { api, sandbox })}`;
  return { ...page(request, { problem: null, run }), isLive: true };
}

function page(
  request: PageRequest & { readonly form?: URLSearchParams },
  { problem, run }: { readonly problem: string | null; readonly run: Markup },
): PageReply {
  return {
    kind: "page",
    title: "Sandbox",
    section: "sandbox",
    body: html`<header class="title">
        <h1>Sandbox</h1>
        <p class="quiet">
          A fake job API and a receiver: the whole loop on this machine, without an account
          anywhere.
        </p>
      </header>
      ${problem === null ? NOTHING : html`<p class="notice bad" role="alert">${problem}</p>`}
      <div class="columns">
        <div>${card("Run a job", runForm(request))}</div>
        <div>${run === NOTHING ? explanation() : run}</div>
      </div>`,
  };
}

/** Null for a run that is none of this project's, or was removed. */
async function subscriptionOf(api: GatewayApi, id: string): Promise<Subscription | null> {
  if (!SUBSCRIPTION_ID.test(id)) return null;
  try {
    return await api.get<Subscription>(`/v1/subscriptions/${id}`);
  } catch (error) {
    if (error instanceof ApiProblem && error.body.status === 404) return null;
    throw error;
  }
}

function runForm({
  links,
  csrfToken,
  form = new URLSearchParams(),
}: PageRequest & { readonly form?: URLSearchParams }): Markup {
  const optionOf = (value: string) => ({ value, text: words(value) });
  const receivers = Object.entries(RECEIVERS).map(([value, { text }]) => ({ value, text }));
  const outcomes = OUTCOMES.map(optionOf);
  const misbehaviours = Object.keys(MISBEHAVIORS).map(optionOf);
  const typed = (name: string, otherwise: string): string => form.get(name) ?? otherwise;
  return fieldsForm({
    to: links.to("sandbox"),
    csrfToken,
    label: "Run the job",
    fields: html`${select("outcome", "The job ends as", outcomes, typed("outcome", "completed"))}
    ${textField("duration_s", "After seconds", typed("duration_s", "2"), { type: "number" })}
    ${select("misbehaviour", "Its API misbehaves", misbehaviours, typed("misbehaviour", "none"))}
    ${select("receiver", "The receiver", receivers, typed("receiver", "good"))}
    ${textArea("result", "Result, JSON", typed("result", ""), { placeholder: '{"pages": 3}' })}`,
  });
}

function explanation(): Markup {
  return html`${card(
    "From the job to its callback",
    html`<p>
      The sandbox runs the job. The gateway polls it until it ends, and sends a signed callback to
      the sandbox's receiver, which checks the signature.
    </p>`,
  )}
  ${card(
    "How its API can misbehave",
    facts(Object.entries(MISBEHAVIORS).map(([name, text]) => [words(name), text] as const)),
  )}`;
}

function runFacts(
  { id, status: of, job, job_id: jobId }: Subscription,
  request: PageRequest,
): Markup {
  const { links } = request;
  return facts([
    ["Job", html`<a href="${links.to(`jobs/${job.id}`)}">${mono(jobId)}</a>`],
    ["Job status", status(job.status)],
    ["Polls", job.poll_count.toLocaleString("en-US")],
    ["Callback", status(of)],
    ["Waits for", job.waiting_for && waitOf(job.waiting_for)],
    ["Last error", job.last_error],
    ["Subscription", mono(id, { isCopied: true })],
  ]);
}

async function arrivals(
  { inbox }: Subscription,
  name: string,
  { api, sandbox }: { readonly api: GatewayApi; readonly sandbox: Sandbox },
): Promise<Markup> {
  if (inbox !== null) return messageCards(await messagesOf(api, inbox));
  const callbacks = RUN_NAME.test(name) ? sandbox.callbacksOf(name).slice(0, MESSAGES_SHOWN) : [];
  return callbacks.length === 0 ? nothingYet() : html`${callbacks.map(callbackCard)}`;
}

async function messagesOf(api: GatewayApi, inbox: string): Promise<InboxMessages["data"]> {
  if (inbox !== PULLED_INBOX) return [];
  const read = { consumer: PULLED_BY, limit: MESSAGES_SHOWN };
  return (await api.get<InboxMessages>(`/v1/inboxes/${inbox}/messages`, read)).data;
}

function messageCards(messages: InboxMessages["data"]): Markup {
  if (messages.length === 0) return nothingYet();
  return html`${messages.map(({ webhook_id: id, headers, body }) =>
    card(
      "A message in the inbox",
      html`<p>${mono(id)}</p>
        ${pre(headerLines(headers))} ${jsonView(body)}`,
    ),
  )}`;
}

function callbackCard(callback: Callback): Markup {
  const { verdict, delivery, answered, receivedAtMs, headers, body } = callback;
  return card(
    delivery > 1 ? `Callback, attempt ${delivery}` : "Callback",
    html`<p class="outcome">
        ${verdict.verified ? badge("signature verified", "good") : badge("not verified", "bad")}
        ${verdict.verified ? NOTHING : html`<span class="error">${verdict.reason}</span>`}
        <span>answered ${answered}</span>
        <span class="quiet">${time(new Date(receivedAtMs).toISOString())}</span>
      </p>
      <details id="callback-${receivedAtMs}-${delivery}">
        <summary>Headers and body</summary>
        ${pre(headerLines(headers))}
        ${isJson(body) ? jsonView(body) : pre(body.slice(0, BODY_CHARACTERS_SHOWN))}
      </details>`,
  );
}

function nothingYet(): Markup {
  return card("What came back", html`<p class="quiet">Nothing yet.</p>`);
}

function headerLines(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}
