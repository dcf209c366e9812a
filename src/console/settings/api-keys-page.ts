import { html } from "hono/html";
import { SCOPES } from "../../core/scopes.ts";
import type { ApiKey, NewApiKey } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import {
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
  redirect,
} from "../http/page.ts";
import { badge } from "../view/badge.ts";
import { confirmButton, CSRF_FIELD, textField } from "../view/forms.ts";
import { listPager } from "../view/filter.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, command, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const PAGE_SIZE = 50;
const ADMIN = { scope: "admin", back: () => "api-keys" } as const;

export const apiKeyListPage = definePage({
  path: "/api-keys",
  scope: "admin",
  show: (request) => page(request, NOTHING),
});

/** The new key is on the page that answers, and nowhere else. */
export const createApiKey = defineAction({
  ...ADMIN,
  path: "/api-keys",
  async act(request) {
    const { api, form } = request;
    const made = await api.send<NewApiKey>("POST", "/v1/api-keys", {
      name: form.get("name") ?? "",
      scopes: form.getAll("scope"),
    });
    const shown = html`<div class="notice good" role="status">
      <p>The key ${made.name}, shown this once:</p>
      ${command(made.key, "Copy key")}
    </div>`;
    return page(request, shown);
  },
});

export const revokeApiKey = defineAction({
  ...ADMIN,
  path: "/api-keys/:id/revoke",
  async act({ api, id }) {
    await api.send("DELETE", `/v1/api-keys/${id}`);
    return redirect("api-keys", "The key is refused from now on, and sessions with it have ended.");
  },
});

async function page(request: PageRequest, shown: Markup): Promise<PageReply> {
  const { api, query } = request;
  const keys = await api.get<Page<ApiKey>>("/v1/api-keys", {
    limit: PAGE_SIZE,
    cursor: query.get("cursor"),
  });
  return {
    kind: "page",
    title: "API keys",
    section: "keys",
    body: html`<header class="title"><h1>API keys</h1></header>
      ${shown} ${card("New key", newKeyForm(request))}
      <div class="spaced">
        ${table(
          "API keys, newest first",
          [
            { title: "Name", cell: (key) => key.name },
            { title: "Scopes", cell: (key) => key.scopes.join(", ") },
            { title: "State", cell: stateOf },
            { title: "Created", cell: (key) => time(key.created_at) },
            { title: "Expires", cell: (key) => time(key.expires_at) },
            {
              title: "Revoke",
              cell: (key) => (key.revoked_at === null ? revoke(key, request) : NOTHING),
            },
          ],
          keys.data,
        )}
      </div>
      ${listPager(request, { path: "api-keys", filter: {} }, keys.next_cursor)}`,
  };
}

function stateOf({ revoked_at: revokedAt }: ApiKey): Markup {
  return revokedAt === null ? badge("usable", "good") : badge("revoked", "plain");
}

function newKeyForm({ links, csrfToken }: PageRequest): Markup {
  return html`<form class="filter" method="post" action="${links.to("api-keys")}">
    <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
    ${textField("name", "Name", "", { placeholder: "billing service" })}
    <fieldset>
      <legend>Scopes</legend>
      ${SCOPES.map(
        (scope) =>
          html`<label class="check"
            ><input type="checkbox" name="scope" value="${scope}" /> ${scope}</label
          >`,
      )}
    </fieldset>
    <button class="main">Create</button>
  </form>`;
}

function revoke({ id, name }: ApiKey, { links, csrfToken }: PageRequest): Markup {
  return confirmButton({
    id: `revoke-${id}`,
    to: links.to(`api-keys/${id}/revoke`),
    csrfToken,
    label: "Revoke…",
    question: `Whatever uses the key ${name} is refused at once, and a revoked key can't be restored.`,
    confirm: "Revoke the key",
  });
}
