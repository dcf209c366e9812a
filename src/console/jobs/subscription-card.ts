import { html } from "hono/html";
import type { Attempt, DeliveryWithAttempts, ExplainedSubscription } from "../../api/models.ts";
import { isForOutsiders, mayRedeliver, type PageRequest } from "../http/page.ts";
import { badge, status } from "../view/badge.ts";
import { confirmButton } from "../view/forms.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { copy, facts, mono, pre } from "../view/parts.ts";
import { duration, sentence, time } from "../view/time.ts";
import { adviceOf, waitOf } from "../view/waits.ts";
import { isTaken, outcomeOf } from "./timeline.ts";

/** A subscription with its deliveries, each with its attempts and what was sent. */
export function subscriptionCard(
  explained: ExplainedSubscription,
  {
    metadata,
    isAlone,
    request,
  }: {
    /** JSON text. */
    readonly metadata: string;
    /** The page begins with the explanation of the only one. */
    readonly isAlone: boolean;
    readonly request: PageRequest;
  },
): Markup {
  const { subscription, deliveries, summary, action } = explained;
  return html`<article class="card" id="${subscription.id}">
    <header>
      <h3>
        ${mono(subscription.callback_url ?? `inbox ${subscription.inbox ?? ""}`, { isCopied: true })}
      </h3>
      ${status(subscription.status)}
    </header>
    ${
      isAlone
        ? NOTHING
        : html`<p>${sentence(summary)}</p>
            ${isForOutsiders(request) ? NOTHING : html`<p class="quiet">${sentence(adviceOf(action))}</p>`}`
    }
    ${facts([
      ["Id", mono(subscription.id, { isCopied: true })],
      ["Created", time(subscription.created_at)],
      ["Events", subscription.events.join(", ")],
      ["Payload", subscription.payload],
      ["Waits for", explained.waiting_for && waitOf(explained.waiting_for)],
      ["Not before", explained.not_before && time(explained.not_before)],
      ["Trace", mono(subscription.trace_id)],
      ["Recognized by", subscription.recognized_by && mono(subscription.recognized_by)],
      ["Metadata", metadata === "{}" ? null : jsonView(metadata)],
    ])}
    ${deliveries.map((delivery) => deliveryView(delivery, request))} ${requestView(explained)}
  </article>`;
}

function deliveryView(delivery: DeliveryWithAttempts, request: PageRequest): Markup {
  const { attempts } = delivery;
  return html`<section class="delivery" id="${delivery.id}">
    <header>
      <h4>${delivery.event_type}</h4>
      ${status(delivery.status)}
      <span class="quiet">${mono(delivery.id, { isCopied: true })}</span>
      ${
        mayRedeliver(request) && delivery.status !== "canceled"
          ? sendAgain(delivery, request)
          : NOTHING
      }
    </header>
    ${
      attempts.length === 0
        ? html`<p class="quiet">
            ${delivery.inbox === null ? "Not attempted yet." : "Put into the inbox."}
          </p>`
        : html`<ol class="attempts">
            ${attempts.toReversed().map((attempt) => attemptView(attempt, delivery))}
          </ol>`
    }
  </section>`;
}

function sendAgain(
  { id: delivery, status: of }: DeliveryWithAttempts,
  { id, links, csrfToken }: PageRequest,
): Markup {
  return confirmButton({
    id: `again-${delivery}`,
    to: links.to(`jobs/${id}/redeliver`),
    csrfToken,
    fields: html`<input type="hidden" name="delivery" value="${delivery}" />`,
    label: "Send again…",
    question:
      of === "delivered"
        ? "The receiver has taken this callback. It gets it once more, with the same webhook-id."
        : "The callback is sent at once, with the same webhook-id and its whole retry schedule.",
    confirm: "Send it again",
    tone: "main",
  });
}

function attemptView(attempt: Attempt, { id }: DeliveryWithAttempts): Markup {
  const { number, response_excerpt: excerpt } = attempt;
  return html`<li>
    <details id="${id}-${number}">
      <summary>
        ${isTaken(attempt) ? badge("taken", "good") : badge("failed", "bad")}
        <span>Attempt ${number}</span>
        <span>${outcomeOf(attempt)}</span>
        <span class="quiet">${time(attempt.started_at)} · ${duration(attempt.duration_ms)}</span>
      </summary>
      <h5>What the receiver answered</h5>
      ${excerpt === null || excerpt === "" ? html`<p class="quiet">No body was recorded.</p>` : pre(excerpt)}
    </details>
  </li>`;
}

/** The request that every attempt sends, without its time and signature. */
function requestView({ request, subscription }: ExplainedSubscription): Markup {
  if (request === null) return NOTHING;
  const { url, headers, body, method } = request;
  const head = [
    `${method} ${url}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return html`<details class="sent" id="sent-${subscription.id}">
    <summary>What is sent</summary>
    <p class="quiet">
      Without the signature, the time, and headers of the subscription's own, which may hold a
      secret.
    </p>
    ${pre(head.join("\n"))}
    ${body === null ? html`<p class="quiet">The body is larger than 64 KiB.</p>` : jsonView(body)}
    ${copy(curlOf(url, headers, body), "Copy as curl")}
  </details>`;
}

/** The same request from a shell. */
function curlOf(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string | null,
): string {
  const lines = [
    `curl -X POST ${quoted(url)}`,
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === null ? [] : [`--data-raw ${quoted(body)}`]),
  ];
  return lines.join(" \\\n  ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
