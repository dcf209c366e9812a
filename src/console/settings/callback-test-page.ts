import { html } from "hono/html";
import type { CallbackTest } from "../../api/models.ts";
import { ApiProblem } from "../http/gateway-api.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
} from "../http/page.ts";
import { badge } from "../view/badge.ts";
import { CSRF_FIELD, textField } from "../view/forms.ts";
import { jsonView } from "../view/json-view.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, pre } from "../view/parts.ts";
import { duration } from "../view/time.ts";

const PATH = "/callback-test";
const SCOPE = "subscriptions:write";

export const callbackTestPage = definePage({
  path: PATH,
  scope: SCOPE,
  show: (request) => Promise.resolve(page(request, request.query.get("url") ?? "", NOTHING)),
});

/** Sends one signed event to a receiver, and shows the whole exchange. */
export const testCallback = defineAction({
  path: PATH,
  scope: SCOPE,
  back: () => "callback-test",
  async act(request: ActionRequest) {
    const url = (request.form.get("url") ?? "").trim();
    try {
      const tested = await request.api.send<CallbackTest>("POST", "/v1/callbacks/test", {
        callback_url: url,
      });
      return page(request, url, exchange(tested));
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      return page(request, url, html`<p class="notice bad" role="alert">${error.body.detail}</p>`);
    }
  },
});

function page({ links, csrfToken }: PageRequest, url: string, outcome: Markup): PageReply {
  return {
    kind: "page",
    title: "Test a callback",
    section: "test",
    body: html`<header class="title">
        <h1>Test a callback</h1>
        <p class="quiet">
          Sends one signed event, ringback.test, exactly like a callback. It is not retried, and
          nothing is stored.
        </p>
      </header>
      <form class="filter" method="post" action="${links.to("callback-test")}">
        <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
        ${textField("url", "Callback URL", url, { placeholder: "https://app.example.com/hooks/ringback", type: "url", isWide: true })}
        <button class="main">Send</button>
      </form>
      ${outcome}`,
  };
}

function exchange({ delivered, request, response, error, duration_ms: ms }: CallbackTest): Markup {
  return html`<p class="outcome">
      ${delivered ? badge("taken", "good") : badge("not taken", "bad")}
      ${response === null ? html`<span class="error">${error?.message ?? ""}</span>` : html`HTTP ${response.status}`}
      <span class="quiet">${duration(ms)}</span>
    </p>
    ${card("What was sent", html`${pre(headerLines(request.headers))} ${jsonView(request.body)}`)}
    ${
      response === null
        ? NOTHING
        : card(
            "What the receiver answered",
            html`${pre(headerLines(response.headers))}
            ${response.body_excerpt === "" ? html`<p class="quiet">No body.</p>` : pre(response.body_excerpt)}`,
          )
    }`;
}

function headerLines(headers: Readonly<Record<string, string | string[]>>): string {
  return Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}`))
    .join("\n");
}
