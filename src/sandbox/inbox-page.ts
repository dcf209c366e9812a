import { html } from "hono/html";
import type { Callback } from "./inbox.ts";
import { renderPage, type Markup } from "./page.ts";

/** The inbox for people: the newest callback first, everything in it escaped. */
export function renderInboxPage(callbacks: readonly Callback[], sandboxUrl: string): Markup {
  const content = html`<h1>Sandbox inbox</h1>
    <p class="quiet">
      The last ${callbacks.length} callbacks, newest first. Empty it:
      <code>curl -X DELETE -H "Authorization: Bearer $RINGBACK_API_KEY" ${sandboxUrl}/inbox</code> ·
      <a href="${sandboxUrl}">What is this?</a>
    </p>
    ${callbacks.length === 0 ? NOTHING_YET : callbacks.map(renderCallback)}`;
  return renderPage("Ringback sandbox inbox", content, { refreshes: true });
}

const NOTHING_YET = html`<p>Nothing has arrived yet.</p>`;

function renderCallback(callback: Callback): Markup {
  const { verdict } = callback;
  return html`<article>
    <header>
      ${
        verdict.verified
          ? html`<span class="good">verified</span>`
          : html`<span class="bad">not verified: ${verdict.reason}</span>`
      }
      <strong>${typeOf(callback.body)}</strong>
      <code>${callback.webhookId ?? "no webhook-id"}</code>
      <span class="quiet">
        ${callback.delivery > 1 ? `delivery ${callback.delivery}, ` : ""}answered
        ${callback.answered}, ${new Date(callback.receivedAtMs).toISOString()}
      </span>
    </header>
    <details>
      <summary>Body and headers</summary>
      <pre>${callback.body}</pre>
      <pre>${headerLines(callback)}</pre>
    </details>
  </article>`;
}

function headerLines({ headers }: Callback): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}

/** The event's type, if the body looks like an event. */
function typeOf(body: string): string {
  try {
    const event: unknown = JSON.parse(body);
    const isEvent = typeof event === "object" && event !== null && "type" in event;
    return isEvent && typeof event.type === "string" ? event.type : "no event";
  } catch {
    return "not JSON";
  }
}
