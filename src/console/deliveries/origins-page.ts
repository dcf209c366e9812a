import { html } from "hono/html";
import type { CallbackOrigin } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { defineAction, definePage, may, type PageRequest, redirect } from "../http/page.ts";
import { status, words } from "../view/badge.ts";
import { actionButton } from "../view/forms.ts";
import { listPager } from "../view/filter.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { emptyState, mono, table } from "../view/parts.ts";
import { pace, time } from "../view/time.ts";

const PAGE_SIZE = 50;

/** Where callbacks go, as far as something waits for it or is wrong there. */
export const originListPage = definePage({
  path: "/callback-origins",
  inLinks: "project",
  scope: "subscriptions:read",
  async show(request) {
    const { api, query } = request;
    const page = await api.get<Page<CallbackOrigin>>("/v1/callback-origins", {
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    return {
      kind: "page",
      title: "Callback origins",
      section: "origins",
      isLive: true,
      body: html`<header class="title"><h1>Callback origins</h1></header>
        ${list(page, request)}
        ${listPager(request, { path: "callback-origins", filter: {} }, page.next_cursor)}`,
    };
  },
});

export const tryOrigin = defineAction({
  path: "/callback-origins/try",
  scope: "subscriptions:write",
  back: () => "callback-origins",
  async act({ api, form }) {
    await api.send("POST", "/v1/callback-origins/try", { origin: form.get("origin") ?? "" });
    return redirect("callback-origins", "Its first pending delivery is sent at once.");
  },
});

function list({ data }: Page<CallbackOrigin>, request: PageRequest): Markup {
  const { links } = request;
  if (data.length === 0) {
    return emptyState(
      "Nothing waits, and nothing is wrong",
      html`<p>
          The origin of a callback URL is listed while deliveries wait for it, while it is failing,
          and while it asks for fewer requests.
        </p>
        ${
          may(request, "subscriptions:write")
            ? html`<p>
                To see how a receiver answers,
                <a href="${links.to("callback-test")}">send it a test callback</a>.
              </p>`
            : NOTHING
        }`,
    );
  }
  return table(
    "Callback origins",
    [
      { title: "State", cell: (one) => status(one.state) },
      {
        title: "Origin",
        cell: (one) =>
          html`<a class="row" href="${links.to("deliveries", { origin: one.origin })}"
            >${mono(one.origin)}</a
          >`,
      },
      {
        title: "Pending",
        isNumber: true,
        cell: (one) =>
          `${one.pending_deliveries.toLocaleString("en-US")}${one.pending_is_capped ? "+" : ""}`,
      },
      { title: "First due", cell: (one) => time(one.first_due_at) },
      { title: "Rate allowed", cell: rate },
      { title: "Next probe", cell: (one) => time(one.next_probe_at ?? one.paused_until) },
      { title: "Last error", cell: lastError },
      {
        title: "Try",
        cell: (one) => (may(request, "subscriptions:write") ? tryNow(one, request) : NOTHING),
      },
    ],
    data.map((one) => ({ ...one, id: Buffer.from(one.origin).toString("base64url") })),
  );
}

function rate({ effective_requests_per_second: perSecond }: CallbackOrigin): Markup {
  return perSecond === null ? NOTHING : html`${pace(perSecond)}`;
}

function lastError({ last_error: error }: CallbackOrigin): Markup {
  if (error === null) return NOTHING;
  const text = error.message ?? words(error.code);
  return html`<span class="error" title="${error.code}: ${text}">${text}</span>`;
}

function tryNow({ origin }: CallbackOrigin, { links, csrfToken }: PageRequest): Markup {
  return actionButton({
    to: links.to("callback-origins/try"),
    csrfToken,
    label: "Try now",
    fields: html`<input type="hidden" name="origin" value="${origin}" />`,
  });
}
