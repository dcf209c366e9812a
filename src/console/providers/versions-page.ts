import { html } from "hono/html";
import type { GatewayApi, Page } from "../http/gateway-api.ts";
import type { ProviderVersion, ProviderVersionWithDefinition } from "../../api/models.ts";
import { definePage, may, type PageRequest } from "../http/page.ts";
import { diffLines, diffView } from "../view/diff.ts";
import { select } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { card, emptyState, facts, mono, pre, table } from "../view/parts.ts";
import { time } from "../view/time.ts";
import { knownProvider, providerHeader } from "./provider-parts.ts";

/** Every version of a definition of the project's own: each can be read, and compared with any other. */
export const providerVersionsPage = definePage({
  path: "/providers/:name/versions",
  scope: "subscriptions:read",
  async show(request) {
    const { api, id, query } = request;
    const name = decodeURIComponent(id);
    const { data } = await api.get<Page<ProviderVersion>>(`/v1/providers/${id}/versions`);
    const known = await knownProvider(request);
    const [newest] = data;
    const version = query.get("version") ?? String(newest?.version ?? "");
    const against = query.get("against") ?? "";
    return {
      kind: "page",
      title: `Versions of ${known?.title ?? name}`,
      section: "providers",
      body: html`${providerHeader(known ?? { name, title: name, source: "project" }, request, "Versions of")}
      ${
        newest === undefined
          ? noVersions(name)
          : html`${chooser(data, { version, against }, request)}
            ${await chosen(request, version, against)}
            ${card("All versions", versionTable(data, request))}`
      }`,
    };
  },
});

/** @throws ApiProblem when there is none of this number */
export function readVersion(
  api: GatewayApi,
  id: string,
  version: string,
): Promise<ProviderVersionWithDefinition> {
  return api.get(`/v1/providers/${id}/versions/${encodeURIComponent(version)}`);
}

/** As it is shown, edited and compared. */
export function shownDefinition(definition: object): string {
  return JSON.stringify(definition, null, 2);
}

export function versionTable(
  versions: readonly ProviderVersion[],
  { links, id }: PageRequest,
): Markup {
  const at = (version: string): string => links.to(`providers/${id}/versions`, { version });
  return table(
    "Versions, newest first",
    [
      {
        title: "Version",
        isNumber: true,
        cell: ({ version }) => html`<a class="row" href="${at(String(version))}">${version}</a>`,
      },
      { title: "Put", cell: ({ created_at: putAt }) => time(putAt) },
      { title: "By", cell: author },
      { title: "Deleted", cell: ({ deleted_at: on }) => (on === null ? "" : time(on)) },
    ],
    versions.map((one) => Object.assign({ id: `version-${one.version}` }, one)),
  );
}

function author({ created_by: key }: ProviderVersion): Markup {
  return key === null ? html`<span class="quiet">not recorded</span>` : mono(key);
}

function chooser(
  versions: readonly ProviderVersion[],
  { version, against }: { readonly version: string; readonly against: string },
  { links, id }: PageRequest,
): Markup {
  const options = versions.map(({ version: of }) => ({ value: String(of), text: `Version ${of}` }));
  const others = [{ value: "", text: "nothing" }, ...options];
  return html`<form class="filter" method="get" action="${links.to(`providers/${id}/versions`)}">
    ${select("version", "Show", options, version)}
    ${select("against", "Compared with", others, against)}
    <button class="main">Show</button>
  </form>`;
}

async function chosen(request: PageRequest, version: string, against: string): Promise<Markup> {
  const { api, id, links } = request;
  const [shown, other] = await Promise.all([
    readVersion(api, id, version),
    against === "" ? null : readVersion(api, id, against),
  ]);
  const edit = may(request, "admin")
    ? html`<a class="button" href="${links.to(`providers/${id}/edit`, { version })}"
        >Edit from this version</a
      >`
    : NOTHING;
  return html`${other === null ? NOTHING : comparison(other, shown)}
  ${card(
    `Version ${shown.version}`,
    html`${facts([
        ["Put", time(shown.created_at)],
        ["By", author(shown)],
        ["Deleted", shown.deleted_at && time(shown.deleted_at)],
      ])}
      <div class="spaced">${pre(shownDefinition(shown.definition))}</div>`,
    edit,
  )}`;
}

function comparison(
  before: ProviderVersionWithDefinition,
  after: ProviderVersionWithDefinition,
): Markup {
  const lines = diffLines(shownDefinition(before.definition), shownDefinition(after.definition));
  return card(
    `From version ${before.version} to version ${after.version}`,
    lines.every(({ kind }) => kind === "same")
      ? html`<p class="quiet">The two versions are identical.</p>`
      : diffView(lines),
  );
}

function noVersions(name: string): Markup {
  return emptyState(
    "No versions",
    html`<p>
      ${name} comes with the gateway. A definition of your own has a version for each change.
    </p>`,
  );
}
