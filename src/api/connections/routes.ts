import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { credentialHosts, hostsNotAgreed } from "../../providers/compile/hosts.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import type { SecretBox } from "../../runtime/secrets/secret-box.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import {
  changeConnection,
  createConnection,
  deleteConnection,
  findConnection,
  listConnections,
} from "../../store/connections/manage-connections.ts";
import type {
  ConnectionChange,
  ConnectionRecord,
} from "../../store/connections/manage-connections.ts";
import type {
  ConnectionSettings,
  ConnectionViaSettings,
  ServedStatus,
} from "../../store/schema/schema.ts";
import { jsonAnswer, NO_CONTENT } from "../http/answer.ts";
import { auditedRequest, changedFields } from "../projects/audit-log.ts";
import { connectionJson } from "./view.ts";
import {
  connectionChangeSchema,
  connectionPageSchema,
  connectionSchema,
  newConnectionSchema,
} from "./schema.ts";
import type { ConnectionChangeBody } from "./schema.ts";
import { defineCreatingRoute } from "../http/creating-route.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import { pagingParameters } from "../request/list-query.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts, refused } from "../http/problem.ts";
import type { Problem, Refusal } from "../../core/problem.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { DEFAULT_CONNECTION } from "../subscriptions/schema.ts";
import { unknownProviderDetail } from "../providers/provider-faults.ts";
import { prepareTarget } from "../../providers/request/target.ts";

const TAG = "Connections";
const BODY_BYTES_MAX = 256 * 1024;
const PAUSED_BY_HAND = "Paused through the API.";

export function connectionRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  return [
    list(services),
    create(services, newUuid),
    read(services),
    change(services),
    remove(services),
  ];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listConnections",
    path: "/v1/connections",
    tag: TAG,
    summary: "List connections, newest first",
    scope: "admin",
    query: z.strictObject(pagingParameters),
    schema: connectionPageSchema,
    find: (wanted, { database }) => listConnections(database, wanted),
    items: (rows) => rows.map((row) => connectionJson(row, services)),
  });
}

function create(services: ApiServices, newUuid: UuidSource): Route {
  return defineCreatingRoute(services, {
    operationId: "createConnection",
    path: "/v1/connections",
    tag: TAG,
    summary: "Create a connection to a provider",
    scope: "admin",
    body: { schema: newConnectionSchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 201, description: "The connection.", schema: connectionSchema },
    problems: [
      "unknown_provider",
      "base_url_refused",
      "callback_url_refused",
      "connection_exists",
      "project_limit_reached",
    ],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const provider = await findProvider(services, projectId, body.provider);
      if (provider === null) return unknownProvider(services, projectId);
      const problem = connectionProblem(
        {
          projectId,
          provider,
          baseUrl: body.base_url ?? null,
          credential: body.credential ?? "",
        },
        services,
      );
      if (problem !== null) return { ok: false, problem };
      const badPlace = await callbackRefusal(projectId, body.callback_url, services);
      if (badPlace !== null) return badPlace;
      const refusal = await stockRefusal("connections", { projectId, database }, services);
      if (refusal !== null) return refusal;
      const id = newUuid(services.clock.now(), 0);
      const wanted = newConnection(body, provider, { id, projectId }, services.secretBox);
      const { name } = wanted;
      const reply = await auditedRequest(services, request, "create-connection", (within, note) =>
        request.once(within, async () => {
          const created = await createConnection(within, wanted);
          if (created === null) return connectionExists(provider.name, name);
          const subject = publicId("connection", id);
          note({
            action: "connection.created",
            subject,
            details: { provider: provider.name, name },
          });
          return jsonAnswer(201, connectionJson(created, services));
        }),
      );
      await services.connections.refresh();
      return reply;
    },
  });
}

function newConnection(
  body: z.output<typeof newConnectionSchema>,
  provider: Provider,
  { id, projectId }: { readonly id: string; readonly projectId: string },
  secretBox: SecretBox,
) {
  const { credential, base_url: baseUrl = null } = body;
  return {
    id,
    projectId,
    provider: provider.name,
    name: body.name ?? DEFAULT_CONNECTION,
    baseUrl: baseUrl === null ? null : hrefOf(baseUrl),
    credential:
      credential === undefined
        ? null
        : secretBox.seal(credential, { column: "connections.credential", id }),
    agreedHosts: credential === undefined ? null : credentialHosts(provider, baseUrl),
    settings: storedSettings(body.settings, viaOf(body, {})),
  };
}

function read(services: ApiServices): Route {
  return defineReadRoute({
    operationId: "getConnection",
    path: "/v1/connections/{id}",
    tag: TAG,
    summary: "Get a connection",
    scope: "admin",
    idKind: "connection",
    success: { status: 200, description: "The connection.", schema: connectionSchema },
    find: findConnection,
    json: (found) => connectionJson(found, services),
  });
}

function change(services: ApiServices): Route {
  return defineRoute({
    operationId: "updateConnection",
    method: "PATCH",
    path: "/v1/connections/{id}",
    tag: TAG,
    summary: "Change a connection: credential, address, settings, pause, resume",
    scope: "admin",
    idKind: "connection",
    body: { schema: connectionChangeSchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 200, description: "The connection.", schema: connectionSchema },
    problems: ["unknown_provider", "base_url_refused", "callback_url_refused"],
    async handle(request) {
      const { database, id, body } = request;
      const { projectId } = request.caller;
      const key = { projectId, id };
      const found = await findConnection(database, key);
      if (found === null) return notFound("connection", publicId("connection", id));
      const provider = await findProvider(services, projectId, found.provider);
      const refusal = changeRefusal(found, body, { provider, projectId }, services);
      if (refusal !== null) return refusal;
      const badPlace = await callbackRefusal(projectId, body.callback_url, services);
      if (badPlace !== null) return badPlace;
      const wanted = wantedChange(found, body, provider, services.secretBox);
      const changed = await auditedRequest(
        services,
        request,
        "change-connection",
        async (within, note) => {
          const connection = await changeConnection(within, key, wanted, PAUSED_BY_HAND);
          const subject = publicId("connection", id);
          const details = {
            provider: found.provider,
            name: found.name,
            fields: changedFields(body),
          };
          if (connection !== null) note({ action: "connection.changed", subject, details });
          return connection;
        },
      );
      if (changed === null) return notFound("connection", publicId("connection", id));
      await services.connections.refresh();
      return jsonAnswer(200, connectionJson(changed, services));
    },
  });
}

function wantedChange(
  found: ConnectionRecord,
  body: ConnectionChangeBody,
  provider: Provider | null,
  secretBox: SecretBox,
): ConnectionChange {
  const { base_url: baseUrl, credential, settings, status: state = body.state } = body;
  const { via: viaBefore = {}, ...settingsBefore } = found.settings;
  const isViaChanged = body.callback_url !== undefined || body.serve_status !== undefined;
  const place = { column: "connections.credential", id: found.id } as const;
  return {
    ...(credential !== undefined &&
      provider !== null && {
        credential: secretBox.seal(credential, place),
        agreedHosts: credentialHosts(provider, baseUrl === undefined ? found.baseUrl : baseUrl),
      }),
    ...(baseUrl !== undefined && { baseUrl: baseUrl === null ? null : hrefOf(baseUrl) }),
    ...((settings !== undefined || isViaChanged) && {
      settings: storedSettings(settings ?? settingsBefore, viaOf(body, viaBefore)),
    }),
    ...(state !== undefined && { state }),
  };
}

function remove(services: ApiServices): Route {
  return defineRoute({
    operationId: "deleteConnection",
    method: "DELETE",
    path: "/v1/connections/{id}",
    tag: TAG,
    summary: "Delete a connection and its credential",
    scope: "admin",
    idKind: "connection",
    success: { status: 204, description: "Connection deleted." },
    problems: ["connection_in_use"],
    async handle(request) {
      const { id } = request;
      const { projectId } = request.caller;
      const done = await auditedRequest(
        services,
        request,
        "delete-connection",
        async (within, note) => {
          const outcome = await deleteConnection(within, { projectId, id });
          const subject = publicId("connection", id);
          if (outcome === "deleted") note({ action: "connection.deleted", subject });
          return outcome;
        },
      );
      switch (done) {
        case "not_found":
          return notFound("connection", publicId("connection", id));
        case "in_use":
          return refused(
            "connection_in_use",
            "Jobs are still watched through this connection; wait until they end, or delete their " +
              "subscriptions.",
          );
        case "deleted":
          await services.connections.refresh();
          return NO_CONTENT;
      }
    },
  });
}

function changeRefusal(
  found: ConnectionRecord,
  body: ConnectionChangeBody,
  { provider, projectId }: { readonly provider: Provider | null; readonly projectId: string },
  services: ApiServices,
): Refusal | null {
  if (body.base_url === undefined && body.credential === undefined) return null;
  if (provider === null) return unknownProvider(services, projectId);
  const problem = connectionProblem(
    {
      projectId,
      provider,
      baseUrl: body.base_url === undefined ? found.baseUrl : body.base_url,
      credential: body.credential,
    },
    services,
  );
  if (problem !== null) return { ok: false, problem };
  if (leadsElsewhere(found, body, provider) && body.credential === undefined) {
    const detail =
      "A new base_url requires the credential again: the stored one is sent only to the host " +
      "it was given for.";
    return {
      ok: false,
      problem: problemOfParts("validation_failed", [{ pointer: "/credential", detail }]),
    };
  }
  return null;
}

/**
 * A client that may change a connection can't read its credential, so it must not be able to send
 * it to itself.
 */
function leadsElsewhere(
  found: ConnectionRecord,
  body: ConnectionChangeBody,
  provider: Provider,
): boolean {
  if (body.base_url === undefined || !found.hasCredential) return false;
  const agreed = found.agreedHosts ?? credentialHosts(provider, found.baseUrl);
  return hostsNotAgreed(credentialHosts(provider, body.base_url), agreed).length > 0;
}

async function findProvider(
  { providers }: ApiServices,
  projectId: string,
  name: string,
): Promise<Provider | null> {
  const known = providers.find(projectId, name) ?? (await providers.findFresh(projectId, name));
  return known?.provider ?? null;
}

function unknownProvider({ providers }: ApiServices, projectId: string): Refusal {
  const detail = unknownProviderDetail(projectId, providers);
  const problem = problemOfParts("unknown_provider", [{ pointer: "/provider", detail }]);
  return { ok: false, problem };
}

function connectionExists(provider: string, name: string): Refusal {
  const detail =
    `The provider ${provider} already has a connection named ${name}; change that one, or ` +
    "choose another name.";
  const problem = problemOfParts("connection_exists", [{ pointer: "/name", detail }]);
  return { ok: false, problem };
}

/** The parsed spelling, so that the stored value is the one that was checked. */
function hrefOf(url: string): string {
  return new URL(url).href.replace(/\/+$/, "");
}

function storedSettings(
  settings: z.output<typeof newConnectionSchema>["settings"] | ConnectionSettings,
  via: ConnectionViaSettings,
) {
  const all = { ...settings, ...(Object.keys(via).length > 0 && { via }) };
  // JSON drops undefined fields.
  return JSON.parse(JSON.stringify(all)) as ConnectionSettings;
}

/** Null removes a place, and undefined leaves it unchanged. */
function viaOf(
  body: {
    readonly callback_url?: string | null | undefined;
    readonly serve_status?: ServedStatus | undefined;
  },
  before: ConnectionViaSettings,
): ConnectionViaSettings {
  const { callback_url: url = before.callback_url, serve_status: served = before.serve_status } =
    body;
  return {
    ...(url !== undefined && url !== null && { callback_url: url }),
    ...(served !== undefined && { serve_status: served }),
  };
}

async function callbackRefusal(
  projectId: string,
  url: string | null | undefined,
  services: ApiServices,
): Promise<Refusal | null> {
  if (url === undefined || url === null) return null;
  const check = await services.checkCallbackUrl(projectId, url);
  if (check.ok) return null;
  const part = { pointer: "/callback_url", detail: check.reason };
  return { ok: false, problem: problemOfParts("callback_url_refused", [part]) };
}

/** Takes the place of a credential that is not checked. */
const ANY_CREDENTIAL = "credential";

/** Why polls could not be sent with this address and credential, or null. */
function connectionProblem(
  connection: {
    readonly projectId: string;
    readonly provider: Provider;
    /** Null for the provider's own. */
    readonly baseUrl: string | null;
    /** Undefined when it is not changed. */
    readonly credential: string | undefined;
  },
  { checkUpstreamUrl }: Pick<ApiServices, "checkUpstreamUrl">,
): Problem | null {
  const { projectId, provider, baseUrl, credential = ANY_CREDENTIAL } = connection;
  const check = baseUrl === null ? null : checkUpstreamUrl(projectId, baseUrl, provider.name);
  if (check?.ok === false) return refusedBaseUrl(check.reason);
  const target = prepareTarget(provider, { baseUrl, credential });
  if (target.kind === "ready") return null;
  if (target.field === "base_url") return refusedBaseUrl(target.problem);
  return problemOfParts("validation_failed", [{ pointer: "/credential", detail: target.problem }]);
}

function refusedBaseUrl(detail: string): Problem {
  return problemOfParts("base_url_refused", [{ pointer: "/base_url", detail }]);
}
