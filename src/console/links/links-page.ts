import { html } from "hono/html";
import { ApiProblem, type Page } from "../http/gateway-api.ts";
import type { ConsoleLink, NewConsoleLink, Project } from "../../api/models.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  may,
  type PageReply,
  type PageRequest,
  redirect,
} from "../http/page.ts";
import { problemNotice } from "../providers/provider-parts.ts";
import { badge } from "../view/badge.ts";
import { listPager } from "../view/filter.ts";
import { confirmButton, fieldsForm, select, textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, command, emptyState, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PATH = "/console-links";
const PAGE_SIZE = 50;
const MAKER = "subscriptions:write";
const ADMIN = { scope: "admin", back: () => "console-links" } as const;

const SHOWN = [
  { value: "metadata", text: "Subscriptions with this metadata" },
  { value: "subscription", text: "One subscription" },
  { value: "project", text: "The whole project" },
] as const;

const RIGHTS = [
  { value: "", text: "Only read" },
  { value: "yes", text: "Read, and send callbacks again" },
] as const;

const LIFETIMES = [
  { value: "600", text: "Ten minutes" },
  { value: "3600", text: "An hour" },
  { value: "28800", text: "Eight hours" },
  { value: "86400", text: "A day" },
] as const;

const FIELDS = ["shows", "value", "may_redeliver", "expires_in_s"] as const;

type Form = Readonly<Record<(typeof FIELDS)[number], string>>;

export const linkListPage = definePage({
  path: PATH,
  scope: MAKER,
  show: (request) => page(request, { form: readForm(request.query), made: NOTHING }),
});

/** The link is on the page that answers, and nowhere else. */
export const createLink = defineAction({
  path: PATH,
  scope: MAKER,
  back: () => "console-links",
  async act(request: ActionRequest) {
    const form = readForm(request.form);
    try {
      const wanted = linkRequestOf(form);
      const link = await request.api.send<NewConsoleLink>("POST", "/v1/console-links", wanted);
      return await page(request, { form, made: madeLink(link) });
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      return page(request, { form, made: problemNotice(error.body) });
    }
  },
});

export const revokeLink = defineAction({
  ...ADMIN,
  path: "/console-links/:id/revoke",
  async act({ api, id }) {
    await api.send("DELETE", `/v1/console-links/${id}`);
    return redirect("console-links", "The link has ended, in frames too.");
  },
});

export const revokeAllLinks = defineAction({
  ...ADMIN,
  path: "/console-links/revoke-all",
  async act({ api }) {
    await api.send("DELETE", "/v1/console-links");
    const text = "Every link to the console that was made until now has ended.";
    return redirect("console-links", text);
  },
});

function readForm(given: URLSearchParams): Form {
  const defaults: Form = { shows: "metadata", value: "", may_redeliver: "", expires_in_s: "3600" };
  const entries = FIELDS.map((name) => [name, (given.get(name) ?? defaults[name]).trim()] as const);
  return Object.fromEntries(entries) as Form;
}

/** Only a choice of the whole project gives a link to it: an empty field is refused. */
function linkRequestOf({ shows, value, may_redeliver: mayRedeliver, expires_in_s: seconds }: Form) {
  const rest = { may_redeliver: mayRedeliver === "yes", expires_in_s: Number(seconds) };
  switch (shows) {
    case "project":
      return rest;
    case "subscription":
      return { subscription_id: value, ...rest };
    default:
      return { metadata: value, ...rest };
  }
}

async function page(
  request: PageRequest,
  { form, made }: { readonly form: Form; readonly made: Markup },
): Promise<PageReply> {
  const isAdmin = may(request, "admin");
  return {
    kind: "page",
    title: "Console links",
    section: "links",
    body: html`<header class="title">
        <h1>Console links</h1>
        <p class="quiet">
          A link shows a part of this console to someone without an API key, for a limited time: for
          example, to each of your customers their own callbacks, also in a frame on your pages.
        </p>
      </header>
      ${made}
      <div class="columns">
        <div>${card("New link", newLinkForm(form, request))}</div>
        <div>${card("In a frame of your pages", await embedding(request))}</div>
      </div>
      ${isAdmin ? html`<div class="spaced">${await linkList(request)}</div>` : NOTHING}`,
  };
}

function newLinkForm(form: Form, { links, csrfToken }: PageRequest): Markup {
  return fieldsForm({
    to: links.to("console-links"),
    csrfToken,
    label: "Make the link",
    fields: html`${select("shows", "Shows", SHOWN, form.shows)}
    ${textField("value", "Metadata as key=value, or the id of the subscription", form.value, {
      placeholder: "customer=acme",
    })}
    ${select("may_redeliver", "Rights", RIGHTS, form.may_redeliver)}
    ${select("expires_in_s", "Ends after", LIFETIMES, form.expires_in_s)}`,
  });
}

function madeLink({ url, expires_at: end }: NewConsoleLink): Markup {
  return html`<div class="notice good" role="status">
    <p>The link, shown this once; it ends at ${time(end)}:</p>
    ${command(url, "Copy link")}
    <p>In a frame of a page of yours:</p>
    ${command(frameOf(url), "Copy HTML")}
  </div>`;
}

function frameOf(url: string): string {
  return `<iframe title="Callbacks" width="100%" height="600"\n  src="${url}"></iframe>`;
}

/** How to show a link in a frame, and the pages that may. */
async function embedding({ api, links, publicUrl, caller }: PageRequest): Promise<Markup> {
  const isAdmin = may({ caller }, "admin");
  const origins = isAdmin ? await frameAncestors(api) : null;
  return html`<p>
      Let your server make a link each time it serves the page, for the customer who is signed in
      there, and put it into a frame:
    </p>
    ${command(MAKE.replace("URL", publicUrl))}
    ${command(frameOf("the url of the answer"), "Copy HTML")}
    ${origins === null ? NOTHING : originList(origins)}
    <p class="quiet">
      ${
        isAdmin
          ? html`Browsers show it only in pages of the origins that
              <a href="${links.to("project")}">the project's settings</a> list.`
          : "Browsers show it only in pages of the origins that an administrator has listed in the project's settings."
      }
      It needs no cookie, and never meets the session of somebody who is signed in.
    </p>`;
}

async function frameAncestors(api: PageRequest["api"]): Promise<readonly string[]> {
  return (await api.get<Project>("/v1/project")).frame_ancestors ?? [];
}

function originList(origins: readonly string[]): Markup {
  return origins.length === 0
    ? html`<p>No page may frame a link yet.</p>`
    : html`<p>These pages may frame a link:</p>
        <ul>
          ${origins.map((origin) => html`<li><code>${origin}</code></li>`)}
        </ul>`;
}

const MAKE = `curl -s "URL/v1/console-links" -H "Authorization: Bearer $RINGBACK_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"metadata": "customer=acme", "expires_in_s": 3600}'`;

async function linkList(request: PageRequest): Promise<Markup> {
  const { api, query, links, csrfToken } = request;
  const cursor = query.get("cursor");
  const { data, next_cursor: next } = await api.get<Page<ConsoleLink>>("/v1/console-links", {
    limit: PAGE_SIZE,
    cursor,
  });
  if (data.length === 0) {
    return emptyState("No links", html`<p>A link stays listed for a day after it expires.</p>`);
  }
  const revokeAll = confirmButton({
    id: "revoke-all",
    to: links.to("console-links/revoke-all"),
    csrfToken,
    label: "Revoke all…",
    question: "All links that were made until now end at once, in frames too.",
    confirm: "Revoke them all",
  });
  const columns = [
    { title: "State", cell: (one: ConsoleLink) => stateOf(one, request.nowMs) },
    { title: "Shows", cell: shownBy },
    {
      title: "Rights",
      cell: (one: ConsoleLink) => (one.may_redeliver ? "may send again" : "read only"),
    },
    { title: "Ends", cell: (one: ConsoleLink) => time(one.expires_at) },
    { title: "Made", cell: (one: ConsoleLink) => time(one.created_at) },
    { title: "By", cell: (one: ConsoleLink) => mono(one.created_by) },
    { title: "Revoke", cell: (one: ConsoleLink) => revokeButton(one, request) },
  ];
  return html`${card("Links, newest first", table("Links to the console, newest first", columns, data), revokeAll)}
  ${listPager(request, { path: "console-links", filter: {} }, next)}`;
}

function isOver({ revoked_at: revokedAt, expires_at: end }: ConsoleLink, nowMs: number): boolean {
  return revokedAt !== null || Date.parse(end) <= nowMs;
}

function stateOf(link: ConsoleLink, nowMs: number): Markup {
  if (link.revoked_at !== null) return badge("revoked", "plain");
  return isOver(link, nowMs) ? badge("ended", "plain") : badge("usable", "good");
}

function shownBy({ subscription_id: subscription, metadata }: ConsoleLink): Markup {
  if (subscription !== null) return mono(subscription);
  return metadata === null ? html`the whole project` : mono(metadata);
}

function revokeButton(link: ConsoleLink, { links, csrfToken, nowMs }: PageRequest): Markup {
  if (isOver(link, nowMs)) return NOTHING;
  return confirmButton({
    id: `revoke-${link.id}`,
    to: links.to(`console-links/${link.id}/revoke`),
    csrfToken,
    label: "Revoke…",
    question: "The link ends at once, in frames too, and can't be restored.",
    confirm: "Revoke the link",
  });
}
