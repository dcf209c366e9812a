import { html } from "hono/html";
import type { Connection, ConnectionLoads, LoadOfConnection } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { defineAction, definePage, type PageRequest, redirect } from "../http/page.ts";
import { status, words } from "../view/badge.ts";
import { actionButton, confirmButton, CSRF_FIELD, textField } from "../view/forms.ts";
import { listPager } from "../view/filter.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { command, emptyState, facts, mono, table } from "../view/parts.ts";
import { time, duration, pace } from "../view/time.ts";

const PAGE_SIZE = 50;

/** The credentials at upstream APIs: the state of each, and the reason why its polls wait. */
export const connectionListPage = definePage({
  path: "/connections",
  scope: "admin",
  async show(request) {
    const { api, query } = request;
    const [page, loads] = await Promise.all([
      api.get<Page<Connection>>("/v1/connections", {
        limit: PAGE_SIZE,
        cursor: query.get("cursor"),
      }),
      api.get<ConnectionLoads>("/v1/connection-loads"),
    ]);
    const byId = new Map(loads.data.map((one) => [one.connection_id, one]));
    return {
      kind: "page",
      title: "Connections",
      section: "connections",
      isLive: true,
      body: html`<header class="title"><h1>Connections</h1></header>
        ${page.data.length === 0 ? noConnection(request) : NOTHING} ${missingNodes(loads)}
        ${page.data.map((one) => connectionCard(one, byId.get(one.id) ?? null, request))}
        ${listPager(request, { path: "connections", filter: {} }, page.next_cursor)}`,
    };
  },
});

const CHANGE = { scope: "admin", back: () => "connections" } as const;

export const pauseConnection = defineAction({
  ...CHANGE,
  path: "/connections/:id/state",
  async act({ api, id, form }) {
    const state = form.get("state");
    await api.send("PATCH", `/v1/connections/${id}`, { state });
    return redirect(
      "connections",
      state === "paused" ? "None of its jobs are polled." : "Its jobs are polled again.",
    );
  },
});

export const changeCredential = defineAction({
  ...CHANGE,
  path: "/connections/:id/credential",
  async act({ api, id, form }) {
    await api.send("PATCH", `/v1/connections/${id}`, { credential: form.get("credential") ?? "" });
    return redirect("connections", "The new credential is used from the next poll on.");
  },
});

export const changeLimits = defineAction({
  ...CHANGE,
  path: "/connections/:id/limits",
  async act({ api, id, form }) {
    const { settings } = await api.get<Connection>(`/v1/connections/${id}`);
    const limits = {
      concurrency: numberIn(form, "concurrency"),
      requests_per_second: numberIn(form, "requests_per_second"),
      burst: numberIn(form, "burst"),
    };
    await api.send("PATCH", `/v1/connections/${id}`, {
      settings: { ...settings, limits, poll_interval_s: numberIn(form, "poll_interval_s") },
    });
    return redirect("connections", "The limits hold from the next poll on.");
  },
});

/** Left out when empty; text that is not a number goes on unchanged, for the API to refuse. */
function numberIn(form: URLSearchParams, field: string): number | string | undefined {
  const text = (form.get(field) ?? "").trim();
  if (text === "") return undefined;
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

function connectionCard(
  of: Connection,
  load: LoadOfConnection | null,
  request: PageRequest,
): Markup {
  return html`<article class="card" id="${of.id}">
    <header>
      <h2>${of.provider} <span class="quiet">${of.name}</span></h2>
      ${status(of.state)}
    </header>
    ${of.paused_reason === null ? NOTHING : html`<p class="error">${of.paused_reason}</p>`}
    ${facts([
      ["Id", mono(of.id, { isCopied: true })],
      ["Base URL", of.base_url ?? "the provider's own"],
      ["Credential", of.has_credential ? "stored, sealed" : "none"],
      ["Paused", of.paused_at && time(of.paused_at)],
      ["Next probe", of.next_probe_at && time(of.next_probe_at)],
      ...loadFacts(load?.total ?? null),
      ["Changed", time(of.updated_at)],
    ])}
    ${load === null || load.nodes.length < 2 ? NOTHING : nodesOf(load)}
    <div class="actions">
      ${stateButton(of, request)} ${credentialForm(of, request)} ${limitsForm(of, request)}
    </div>
  </article>`;
}

function stateButton({ id, state }: Connection, { links, csrfToken }: PageRequest): Markup {
  const isPaused = state === "paused";
  const form = {
    to: links.to(`connections/${id}/state`),
    csrfToken,
    fields: html`<input type="hidden" name="state" value="${isPaused ? "active" : "paused"}" />`,
  };
  return isPaused
    ? actionButton({ ...form, label: "Resume", tone: "main" })
    : confirmButton({
        ...form,
        id: `pause-${id}`,
        label: "Pause…",
        question: "It keeps its jobs and polls none of them until it is resumed. Deadlines go on.",
        confirm: "Pause the connection",
      });
}

function credentialForm({ id }: Connection, { links, csrfToken }: PageRequest): Markup {
  return html`<details class="confirm" id="credential-${id}">
    <summary class="button">New credential…</summary>
    <form class="question" method="post" action="${links.to(`connections/${id}/credential`)}">
      <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
      ${textField("credential", "The upstream's API key", "", { type: "password" })}
      <p class="quiet">
        It is stored encrypted and never shown again. A paused connection is resumed.
      </p>
      <button class="main">Store</button>
    </form>
  </details>`;
}

function limitsForm({ id, settings }: Connection, { links, csrfToken }: PageRequest): Markup {
  const { limits = {}, poll_interval_s: interval } = settings;
  const field = (name: string, label: string, value: number | null | undefined): Markup =>
    textField(name, label, value?.toString() ?? "", { placeholder: "the provider's" });
  return html`<details class="confirm" id="limits-${id}">
    <summary class="button">Limits…</summary>
    <form class="question" method="post" action="${links.to(`connections/${id}/limits`)}">
      <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
      ${field("concurrency", "Polls at once", limits.concurrency)}
      ${field("requests_per_second", "Polls a second", limits.requests_per_second)}
      ${field("burst", "Polls at once after a quiet time", limits.burst)}
      ${field("poll_interval_s", "Seconds between polls of a job", interval)}
      <p class="quiet">For all nodes together. An empty field means the provider's own.</p>
      <button class="main">Save</button>
    </form>
  </details>`;
}

function noConnection({ publicUrl }: PageRequest): Markup {
  return emptyState(
    "No connections yet",
    html`<p>A connection is a credential at an upstream API, through which its jobs are polled:</p>
      ${command(`curl -s ${publicUrl}/v1/connections \\
  -H "Authorization: Bearer $RINGBACK_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"provider": "pulse", "credential": "…"}'`)}`,
  );
}

type Load = LoadOfConnection["total"];

/** The load of a connection as names and values; null for one without jobs. */
function loadFacts(load: Load | null): (readonly [name: string, value: Markup | string | null])[] {
  if (load === null) return [["Live jobs", "none"]];
  return [
    ["Live jobs", count(load.jobs)],
    ["Polls", `${count(load.in_flight)} in progress, ${count(load.waiting)} waiting`],
    ["Behind", load.behind_s > 0 ? duration(load.behind_s * 1000) : null],
    ["Held back by", heldBackBy(load)],
    ["Rate allowed", rate(load)],
    ["No polls before", load.paused_until && time(load.paused_until)],
    ["API", load.breaker === "closed" ? null : "fails, and is only probed"],
  ];
}

/** The part of each node. */
function nodesOf({ connection_id: id, nodes }: LoadOfConnection): Markup {
  return html`<details class="sent" id="nodes-${id}">
    <summary>${nodes.length} nodes</summary>
    ${table(
      "Load on each node",
      [
        { title: "Node", cell: (one) => mono(one.node_id) },
        { title: "Live jobs", isNumber: true, cell: ({ jobs }) => count(jobs) },
        { title: "In progress", isNumber: true, cell: (one) => count(one.in_flight) },
        { title: "Waiting", isNumber: true, cell: ({ waiting }) => count(waiting) },
        { title: "Behind", cell: (one) => duration(one.behind_s * 1000) },
        { title: "Rate allowed", cell: (one) => rate(one) ?? "no limit" },
        { title: "Held back by", cell: (one) => heldBackBy(one) ?? "" },
      ],
      nodes.map((one) => ({ ...one, id: `${id}-${one.node_id}` })),
    )}
  </details>`;
}

/** Says whose part the numbers lack. */
function missingNodes({ missing_nodes: missing }: ConnectionLoads): Markup {
  if (missing.length === 0) return NOTHING;
  return html`<p class="notice bad" role="status">
    ${missing.length === 1 ? "One node" : `${missing.length} nodes`} did not answer in time, so
    their part of the load is missing: ${missing.join(", ")}.
  </p>`;
}

function heldBackBy({ limited_by: limit }: Load): string | null {
  return limit === null ? null : words(limit);
}

function rate({ effective_requests_per_second: perSecond }: Load): string | null {
  return perSecond === null ? null : pace(perSecond, "polls");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
