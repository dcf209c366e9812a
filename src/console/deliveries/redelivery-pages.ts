import { html } from "hono/html";
import type { Redelivery } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { defineAction, definePage, may, type PageRequest, redirect } from "../http/page.ts";
import { status, words } from "../view/badge.ts";
import { confirmButton } from "../view/forms.ts";
import { listPager } from "../view/filter.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, emptyState, facts, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;

export const redeliveryListPage = definePage({
  path: "/redeliveries",
  scope: "subscriptions:read",
  async show(request) {
    const { api, links, query } = request;
    const page = await api.get<Page<Redelivery>>("/v1/redeliveries", {
      limit: PAGE_SIZE,
      cursor: query.get("cursor"),
    });
    const body =
      page.data.length === 0
        ? emptyState(
            "Nothing was sent again yet",
            html`<p>
              After an outage of a receiver, filter the
              <a href="${links.to("deliveries", { status: "exhausted" })}">exhausted deliveries</a>
              and send all that match again; its progress is shown here.
            </p>`,
          )
        : table(
            "Redeliveries, newest first",
            [
              { title: "State", cell: (one) => status(one.state) },
              {
                title: "Redelivery",
                cell: (one) =>
                  html`<a class="row" href="${links.to(`redeliveries/${one.id}`)}"
                    >${mono(one.id)}</a
                  >`,
              },
              { title: "Only counted", cell: (one) => (one.dry_run ? "yes" : "") },
              { title: "Deliveries", cell: (one) => words(one.filter.status) },
              {
                title: "Matched",
                isNumber: true,
                cell: (one) => one.matched.toLocaleString("en-US"),
              },
              {
                title: "Sent again",
                isNumber: true,
                cell: (one) => one.redelivered.toLocaleString("en-US"),
              },
              { title: "Created", cell: (one) => time(one.created_at) },
            ],
            page.data,
          );
    return {
      kind: "page",
      title: "Redeliveries",
      section: "redeliveries",
      isLive: true,
      body: html`<header class="title"><h1>Redeliveries</h1></header>
        ${body} ${listPager(request, { path: "redeliveries", filter: {} }, page.next_cursor)}`,
    };
  },
});

/** The progress of one; of one that only counted, the button that sends what it has counted. */
export const redeliveryPage = definePage({
  path: "/redeliveries/:id",
  scope: "subscriptions:read",
  async show(request) {
    const { api, id, links } = request;
    const found = await api.get<Redelivery>(`/v1/redeliveries/${id}`);
    const { filter } = found;
    return {
      kind: "page",
      title: "Redelivery",
      section: "redeliveries",
      isLive: found.state === "running",
      body: html`<header class="title">
          <p class="crumbs"><a href="${links.to("redeliveries")}">Redeliveries</a></p>
          <h1>${headline(found)}</h1>
          <p>
            ${status(found.state)} <span class="quiet">${mono(found.id, { isCopied: true })}</span>
          </p>
        </header>
        ${
          found.dry_run || found.matched === 0
            ? NOTHING
            : html`<progress
                max="${found.matched}"
                value="${found.redelivered + found.skipped}"
                aria-label="Progress"
              ></progress>`
        }
        ${may(request, "subscriptions:write") ? actions(found, request) : NOTHING}
        ${card(
          "Redelivery",
          facts([
            ["Matched", found.matched.toLocaleString("en-US")],
            ["Sent again", found.redelivered.toLocaleString("en-US")],
            ["Left out", found.skipped.toLocaleString("en-US")],
            ["Status", words(filter.status)],
            ["Event", filter.event_type],
            ["Last error", filter.error_code && words(filter.error_code)],
            ["Callback origin", filter.callback_origin],
            ["Created after", filter.created_after && time(filter.created_after)],
            ["Created before", time(filter.created_before)],
            ["Per second", String(found.deliveries_per_second)],
            ["Begun", time(found.created_at)],
            ["Finished", found.finished_at && time(found.finished_at)],
          ]),
        )}`,
    };
  },
});

function headline({ dry_run: isCounted, matched, state, redelivered }: Redelivery): string {
  const count = matched.toLocaleString("en-US");
  if (isCounted) return state === "running" ? `${count} found so far` : `${count} deliveries match`;
  return `${redelivered.toLocaleString("en-US")} of ${count} sent again`;
}

function actions(of: Redelivery, { links, csrfToken, id }: PageRequest): Markup {
  if (of.state === "running") {
    return confirmButton({
      id: "cancel",
      to: links.to(`redeliveries/${id}/cancel`),
      csrfToken,
      label: "Cancel…",
      question: "Deliveries that are already queued are still sent.",
      confirm: "Cancel the redelivery",
    });
  }
  if (!of.dry_run || of.matched === 0) return NOTHING;
  return confirmButton({
    id: "send",
    to: links.to(`redeliveries/${id}/send`),
    csrfToken,
    label: `Send ${of.matched.toLocaleString("en-US")} again…`,
    question: `Each keeps its webhook-id and gets its whole retry schedule again, ${of.deliveries_per_second} a second.`,
    confirm: "Send them again",
    tone: "main",
  });
}

const WRITE = { scope: "subscriptions:write" } as const;

/** Counts what a filter of the list of deliveries matches. */
export const countRedelivery = defineAction({
  ...WRITE,
  path: "/redeliveries/count",
  back: () => "deliveries",
  async act({ api, form }) {
    const wanted = {
      status: form.get("status"),
      event_type: givenIn(form, "event"),
      error_code: givenIn(form, "error"),
      callback_origin: givenIn(form, "origin"),
      created_after: givenIn(form, "after"),
      dry_run: true,
    };
    const made = await api.send<Redelivery>("POST", "/v1/redeliveries", wanted);
    return redirect(`redeliveries/${made.id}`);
  },
});

/** A field that was filled in. */
function givenIn(form: URLSearchParams, field: string): string | undefined {
  const text = form.get(field) ?? "";
  return text === "" ? undefined : text;
}

/** Sends what a redelivery has counted, and nothing that was created since. */
export const sendRedelivery = defineAction({
  ...WRITE,
  path: "/redeliveries/:id/send",
  back: ({ id }) => `redeliveries/${id}`,
  async act({ api, id }) {
    const { filter, deliveries_per_second: pace } = await api.get<Redelivery>(
      `/v1/redeliveries/${id}`,
    );
    const given = Object.entries(filter).filter(([, value]) => value !== null);
    const wanted = { ...Object.fromEntries(given), deliveries_per_second: pace };
    const made = await api.send<Redelivery>("POST", "/v1/redeliveries", wanted);
    return redirect(`redeliveries/${made.id}`, "They are sent again in the background.");
  },
});

export const cancelRedelivery = defineAction({
  ...WRITE,
  path: "/redeliveries/:id/cancel",
  back: ({ id }) => `redeliveries/${id}`,
  async act({ api, id }) {
    await api.send("DELETE", `/v1/redeliveries/${id}`);
    return redirect(`redeliveries/${id}`, "Canceled.");
  },
});
