import { html } from "hono/html";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { ExplainedSubscription, JobExplanation, StoredEvent } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, isForOutsiders, may, type PageRequest } from "../http/page.ts";
import { status } from "../view/badge.ts";
import { actionButton, confirmButton, select } from "../view/forms.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, copy, facts, mono } from "../view/parts.ts";
import { sentence, time } from "../view/time.ts";
import { adviceOf } from "../view/waits.ts";
import { resultView } from "./result-view.ts";
import { subscriptionCard } from "./subscription-card.ts";
import { timeline } from "./timeline.ts";
import { nextSteps } from "./next-steps.ts";
import { answerCard, upstreamCard } from "./upstream-view.ts";

const EVENTS_SHOWN = 50;

/** Everything about one job: what happened, what its callbacks wait for, and what can be done. */
export const jobPage = definePage({
  path: "/jobs/:id",
  inLinks: "all",
  scope: "subscriptions:read",
  async show(request) {
    const { api, id } = request;
    const [text, events] = await Promise.all([
      api.text(`/v1/jobs/${id}/explain`),
      api.get<Page<StoredEvent>>("/v1/events", { job: id, limit: EVENTS_SHOWN }),
    ]);
    const explanation = JSON.parse(text) as JobExplanation;
    const { job } = explanation;
    return {
      kind: "page",
      title: job.job_id,
      section: "jobs",
      isLive: isUnsettled(explanation),
      body: html`<header class="title">
          ${crumbs(request)}
          <h1>${mono(job.job_id, { isCopied: true })}</h1>
          <p>
            ${status(job.status)} ${job.provider}
            <span class="quiet">${isForOutsiders(request) ? "" : job.connection}</span>
          </p>
        </header>
        ${why(explanation, request)}
        <div class="columns">
          <div>
            ${card("Timeline", timeline(explanation, events.data, request))}
            ${await resultView(explanation, request)}
            ${isForOutsiders(request) ? NOTHING : answerCard(explanation, request)}
          </div>
          <div>
            ${card("Job", jobFacts(explanation, request), request.link === null ? inReference(request) : NOTHING)}
            ${isForOutsiders(request) ? NOTHING : upstreamCard(explanation, request)}
            ${rawCard("Progress", text, ["job", "progress"])}
            ${rawCard("Parameters", text, ["job", "params"])}
          </div>
        </div>
        <h2 id="subscriptions">Subscriptions</h2>
        ${explanation.subscriptions.map((subscription, index) =>
          subscriptionCard(subscription, {
            metadata:
              sliceRawJson(text, ["subscriptions", index, "subscription", "metadata"]) ?? "{}",
            isAlone: explanation.subscriptions.length === 1,
            request,
          }),
        )}
        ${
          explanation.has_more_subscriptions
            ? html`<p class="quiet">There are more; these are the latest.</p>`
            : NOTHING
        }`,
    };
  },
});

/** Whether something will happen to it by itself. */
function isUnsettled({ job, subscriptions }: JobExplanation): boolean {
  return job.ended_at === null || subscriptions.some(({ waiting_for: cause }) => cause !== null);
}

/** The one thing that a person came for. */
function why(explanation: JobExplanation, request: PageRequest): Markup {
  const { reason, summary, action, job, subscriptions, upstream } = explanation;
  const isUnknown = job.ended_at === null && upstream.last_answer?.outcome === "unknown_status";
  const tone = job.ended_at === null || reason === "delivered" ? "calm" : "stuck";
  const open = subscriptions.find(({ subscription }) => subscription.status === "active");
  return html`<section class="why ${tone}" aria-label="Why">
    <p class="summary">
      ${sentence(summary)}
      ${isUnknown && !isForOutsiders(request) ? html`<strong>${UNKNOWN_STATUS}</strong>` : NOTHING}
    </p>
    ${isForOutsiders(request) ? NOTHING : html`<p class="quiet">${sentence(adviceOf(action))}</p>`}
    ${nextSteps(explanation, request)}
    ${open !== undefined && may(request, "subscriptions:write") ? liveActions(open, request) : NOTHING}
  </section>`;
}

const UNKNOWN_STATUS =
  "Its last answer has a status that the definition of the provider does not know, which counts as running.";

/** Seconds from now. */
const EXTENSIONS = [
  { value: "3600", text: "1 hour" },
  { value: "21600", text: "6 hours" },
  { value: "86400", text: "1 day" },
  { value: "172800", text: "2 days" },
  { value: "604800", text: "7 days" },
  { value: "2592000", text: "30 days" },
];

/** The actions for a job that still runs. */
function liveActions(
  { subscription }: ExplainedSubscription,
  { id, links, csrfToken }: PageRequest,
): Markup {
  const fields = html`<input type="hidden" name="subscription" value="${subscription.id}" />`;
  const shared = { csrfToken, fields };
  return html`<div class="actions">
    ${actionButton({ ...shared, to: links.to(`jobs/${id}/poll`), label: "Poll now", tone: "main" })}
    ${confirmButton({
      csrfToken,
      fields: select("deadline_s", "Give it up after", EXTENSIONS, "86400"),
      id: "extend-job",
      to: links.to(`jobs/${id}/extend`),
      label: "Extend deadline…",
      question: "Counted from now, as far as its provider allows. A later deadline is kept.",
      confirm: "Extend",
      tone: "plain",
    })}
    ${confirmButton({
      ...shared,
      id: "cancel-job",
      to: links.to(`jobs/${id}/cancel`),
      label: "Cancel job…",
      question:
        "The provider is asked to cancel the job, and the newest subscription is deleted: it hears nothing more.",
      confirm: "Cancel the job",
    })}
  </div>`;
}

/** The way back to the list that a page is reached from. */
function crumbs({ links, link }: PageRequest): Markup {
  if (link?.limit.kind === "subscription") return NOTHING;
  return link?.limit.kind === "metadata"
    ? html`<p class="crumbs"><a href="${links.to("subscriptions")}">Subscriptions</a></p>`
    : html`<p class="crumbs"><a href="${links.to("jobs")}">Jobs</a></p>`;
}

function jobFacts({ job }: JobExplanation, request: PageRequest): Markup {
  return facts([
    ["Id", mono(job.id, { isCopied: true })],
    ["Created", time(job.created_at)],
    ["Ended", job.ended_at && time(job.ended_at)],
    ["Deadline", time(job.deadline_at)],
    ["Polls", job.poll_count.toLocaleString("en-US")],
    ["Last poll", job.last_polled_at && time(job.last_polled_at)],
    ["Next poll", job.next_poll_at && time(job.next_poll_at)],
    // Those of others are none of an outsider's business.
    [
      "Subscriptions",
      isForOutsiders(request) ? null : job.subscription_count.toLocaleString("en-US"),
    ],
  ]);
}

/** The operation that gives the same, in the API reference. */
function inReference({ links }: PageRequest): Markup {
  const operation = "#tag/jobs/GET/v1/jobs/{id}/explain";
  return html`<a class="button" href="${links.toGateway("docs")}${operation}" hx-boost="false"
    >Open in API reference</a
  >`;
}

function rawCard(title: string, text: string, path: readonly string[]): Markup {
  const raw = sliceRawJson(text, path) ?? "null";
  if (raw === "null" || raw === "{}") return NOTHING;
  return card(title, jsonView(raw), copy(raw));
}
