import { html } from "hono/html";
import type {
  Attempt,
  DeliveryWithAttempts,
  JobExplanation,
  StoredEvent,
} from "../../api/models.ts";
import { isForOutsiders, type PageRequest } from "../http/page.ts";
import { type Tone, words } from "../view/badge.ts";
import type { Markup } from "../view/markup.ts";
import { duration, time } from "../view/time.ts";
import { waitOf } from "../view/waits.ts";

interface Step {
  readonly at: string;
  readonly tone: Tone;
  readonly text: Markup;
}

/** The history of a job and its callbacks, in order of time; polls are summed up. */
export function timeline(
  explanation: JobExplanation,
  events: readonly StoredEvent[],
  request: PageRequest,
): Markup {
  const { job, upstream } = explanation;
  const accepted: Step = {
    at: job.created_at,
    tone: "info",
    text: html`<strong>Accepted</strong>, watched through ${job.provider}
      <span class="quiet">${isForOutsiders(request) ? "" : job.connection}</span>`,
  };
  const polls: Step[] =
    job.last_polled_at === null
      ? []
      : [
          {
            at: job.last_polled_at,
            tone: upstream.last_answer?.error ? "warn" : "plain",
            text: html`<strong>Polled ${job.poll_count.toLocaleString("en-US")}×</strong>, last with
              ${words(upstream.last_answer?.outcome ?? "no answer")}
              ${upstream.last_answer?.error ?? ""}`,
          },
        ];
  const deliveries = explanation.subscriptions.flatMap((one) => one.deliveries);
  const steps = [
    accepted,
    ...polls,
    ...events.map(eventStep),
    ...deliveries.flatMap(deliverySteps),
  ];
  return html`<ol class="timeline">
    ${steps
      .toSorted((a, b) => a.at.localeCompare(b.at))
      .map(
        ({ at, tone, text }) =>
          html`<li class="${tone}">
            <span class="at">${time(at)}</span>
            <span>${text}</span>
          </li>`,
      )}
    ${next(explanation)}
  </ol>`;
}

/** The steps that follow without anyone's help. */
function next({ job, subscriptions }: JobExplanation): Markup {
  const waiting = subscriptions.find(({ waiting_for: cause }) => cause !== null);
  const cause = waiting?.waiting_for ?? job.waiting_for;
  if (cause === null) return html``;
  const notBefore = waiting?.not_before ?? job.not_before;
  return html`<li class="next">
    <span class="at">${notBefore === null ? "soon" : time(notBefore)}</span>
    <span>Waits for ${waitOf(cause)}</span>
  </li>`;
}

function eventStep({ type, timestamp, data }: StoredEvent): Step {
  return {
    at: timestamp,
    tone: EVENT_TONES[type] ?? "info",
    text: html`<strong>${type}</strong> ${data.error ?? ""}`,
  };
}

const EVENT_TONES: Readonly<Record<string, Tone>> = {
  "job.completed": "good",
  "job.failed": "bad",
  "job.canceled": "plain",
  "job.expired": "warn",
  "job.timed_out": "warn",
};

function deliverySteps(delivery: DeliveryWithAttempts): Step[] {
  return delivery.attempts.map((attempt) => ({
    at: attempt.started_at,
    tone: isTaken(attempt) ? "good" : "bad",
    text: html`<strong>Attempt ${attempt.number}</strong> to
      ${delivery.callback_origin ?? delivery.inbox ?? ""}: ${outcomeOf(attempt)}
      <span class="quiet">${duration(attempt.duration_ms)}</span>`,
  }));
}

export function isTaken({ error_code: code }: Attempt): boolean {
  return code === null;
}

/** `503, server error answer`. */
export function outcomeOf({
  http_status: answered,
  error_code: code,
  error_message: message,
}: Attempt): string {
  const parts = [
    answered?.toString(),
    code === null ? undefined : words(code),
    message ?? undefined,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}
