import { html } from "hono/html";
import type { JobExplanation } from "../../api/models.ts";
import { isForOutsiders, may, type PageRequest } from "../http/page.ts";
import { type Markup, NOTHING } from "../view/markup.ts";

interface Step {
  readonly text: string;
  readonly href: string;
}

/** Links to where the cause is put right, for a session that may go there. */
export function nextSteps(explanation: JobExplanation, request: PageRequest): Markup {
  if (isForOutsiders(request)) return NOTHING;
  const steps = [...stepsOf(explanation, request)];
  if (steps.length === 0) return NOTHING;
  return html`<p class="actions">
    ${steps.map(({ text, href }) => html`<a class="button" href="${href}">${text}</a>`)}
  </p>`;
}

function* stepsOf(explanation: JobExplanation, request: PageRequest): Generator<Step> {
  const { job, upstream } = explanation;
  switch (explanation.reason) {
    case "connection_paused":
    case "connection_unusable":
    case "credential_rejected":
    case "upstream_failing":
    case "upstream_rate_limit":
    case "poll_waits_for_turn":
      yield* connection(explanation, request);
      return;
    case "answer_unusable":
    case "job_not_found":
      yield* trial(explanation, request);
      yield* connection(explanation, request);
      return;
    case "job_running":
    case "deadline_near":
      if (job.ended_at === null && upstream.last_answer?.outcome === "unknown_status")
        yield* trial(explanation, request);
      return;
    case "origin_failing":
    case "origin_paused":
      yield { text: "Open callback origins", href: request.links.to("callback-origins") };
      yield* callbackTest(explanation, request);
      return;
    case "callback_rate_limit":
      if (isForAdmin(request)) yield { text: "Open limits", href: request.links.to("project") };
      return;
    case "signing_secret_unusable":
      if (isForAdmin(request)) yield { text: "Open signing", href: request.links.to("signing") };
      return;
    case "cannot_send":
    case "receiver_rate_limited":
    case "receiver_redirects":
    case "receiver_refused":
    case "receiver_error":
    case "receiver_timeout":
    case "receiver_unreachable":
    case "tls_failed":
    case "dns_failed":
    case "address_blocked":
    case "exhausted":
    case "stopped_by_receiver":
    case "gone":
      yield* toDelivery(explanation);
      yield* callbackTest(explanation, request);
      return;
    case "first_poll":
    case "recording":
    case "fan_out":
    case "sending":
    case "older_event":
    case "callback_waits_for_turn":
    case "redelivered":
    case "canceled":
    case "event_not_subscribed":
    case "delivered":
  }
}

function* connection({ upstream }: JobExplanation, request: PageRequest): Generator<Step> {
  if (upstream.connection === null || !isForAdmin(request)) return;
  const href = `${request.links.to("connections")}#${upstream.connection.id}`;
  yield { text: "Open the connection", href };
}

/** Leads to the trial of the provider, filled in with this job. */
function* trial({ job }: JobExplanation, request: PageRequest): Generator<Step> {
  if (!isForAdmin(request)) return;
  const path = `providers/${encodeURIComponent(job.provider)}/try`;
  const query = { kind: "job", job: job.job_id, connection: job.connection };
  yield { text: "Try the definition on this job", href: request.links.to(path, query) };
}

function* callbackTest(explanation: JobExplanation, request: PageRequest): Generator<Step> {
  const url = newest(explanation)?.subscription.callback_url ?? null;
  if (url === null || request.link !== null || !may(request, "subscriptions:write")) return;
  yield { text: "Test the receiver", href: request.links.to("callback-test", { url }) };
}

/** To the attempts, and the button that sends the callback again. */
function* toDelivery(explanation: JobExplanation): Generator<Step> {
  const delivery = newest(explanation)?.deliveries[0];
  if (delivery !== undefined) yield { text: "See the attempts", href: `#${delivery.id}` };
}

/** The subscription that the explanation of the job is about. */
function newest({ reason, subscriptions }: JobExplanation) {
  return subscriptions.find((one) => one.reason === reason) ?? subscriptions[0];
}

function isForAdmin(request: PageRequest): boolean {
  return request.link === null && may(request, "admin");
}
