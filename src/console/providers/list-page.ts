import { html } from "hono/html";
import type { Provider } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { definePage, may, type PageRequest } from "../http/page.ts";
import { badge } from "../view/badge.ts";
import { filterForm, isFiltered, readFilter } from "../view/filter.ts";
import { textField } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { emptyState, mono, table } from "../view/parts.ts";

/** The job APIs that can be watched: those that come along, and the project's own. */
export const providerListPage = definePage({
  path: "/providers",
  scope: "subscriptions:read",
  async show(request) {
    const filter = readFilter(request.query, ["q"]);
    const { data } = await request.api.get<Page<Provider>>("/v1/providers");
    const found = data.filter((one) => matches(one, filter.q));
    return {
      kind: "page",
      title: "Providers",
      section: "providers",
      body: html`<header class="title">
          <h1>Providers</h1>
          <p class="quiet">
            How the jobs of an API are polled, and how its answers are read. The project's own take
            precedence over others of the same name.
          </p>
        </header>
        ${filterForm(request, "providers", searchField(filter.q))}
        ${found.length === 0 ? nothingFound(isFiltered(filter), request) : list(found, request)}
        ${may(request, "admin") ? newOne(request) : NOTHING}`,
    };
  },
});

/** Each word, anywhere. */
function matches({ name, title, base_url: url }: Provider, query: string): boolean {
  const text = `${name} ${title} ${url ?? ""}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function searchField(query: string): Markup {
  return html`<label class="wide">
    <span>Search</span>
    <input
      type="search"
      name="q"
      value="${query}"
      data-search
      placeholder="Name, title or host"
      autocomplete="off"
      spellcheck="false"
    />
  </label>`;
}

const SOURCES = { built_in: "built in", file: "operator's", project: "own" } as const;

export function sourceBadge({ source }: Pick<Provider, "source">): Markup {
  return badge(SOURCES[source], source === "project" ? "info" : "plain");
}

function list(providers: readonly Provider[], { links }: PageRequest): Markup {
  return table(
    "Providers",
    [
      {
        title: "Provider",
        cell: (one) =>
          html`<a class="row" href="${links.to(`providers/${one.name}`)}">${one.name}</a>`,
      },
      { title: "Title", cell: ({ title }) => title },
      { title: "From", cell: (one) => sourceBadge(one) },
      { title: "Version", isNumber: true, cell: ({ version }) => String(version ?? "–") },
      {
        title: "Address",
        cell: ({ base_url: url }) =>
          url === null ? html`<span class="quiet">each connection's</span>` : mono(url),
      },
      { title: "Params", cell: ({ params }) => params.join(", ") },
    ],
    providers.map((one) => Object.assign({ id: one.name }, one)),
  );
}

function nothingFound(isSearched: boolean, { links }: PageRequest): Markup {
  return emptyState(
    isSearched ? "No provider matches" : "No providers",
    html`<p>
      For an API that is not in the catalogue, write a definition of your own: start from a similar
      one, and try it on an answer before you use it.
      ${isSearched ? html`<a href="${links.to("providers")}">Show all</a>` : NOTHING}
    </p>`,
  );
}

function newOne({ links }: PageRequest): Markup {
  return html`<form class="filter spaced" method="get" action="${links.to("provider-new")}">
    ${textField("name", "New definition", "", { placeholder: "acme-jobs" })}
    <button>Begin</button>
  </form>`;
}
