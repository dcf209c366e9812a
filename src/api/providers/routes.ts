import { z } from "@hono/zod-openapi";
import { DEFINITION_BYTES_MAX } from "../../providers/compile/files.ts";
import type { ProviderVersion } from "../../providers/compile/provider.ts";
import { definitionJsonSchema } from "../../providers/compile/read-definition.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import { deleteProvider } from "../../store/connections/delete-provider.ts";
import {
  findProviderVersion,
  type ListedProviderVersion,
  listProviderVersions,
} from "../../store/connections/load-providers.ts";
import { putProvider, type PutOutcome } from "../../store/connections/put-provider.ts";
import { jsonAnswer, NO_CONTENT, pageAnswer, isoTime } from "../http/answer.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import { auditedRequest } from "../projects/audit-log.ts";
import type { ApiServices } from "../services.ts";
import { refused } from "../http/problem.ts";
import type { Refusal } from "../../core/problem.ts";
import { readNamedDefinition } from "./definition.ts";
import {
  definitionBodySchema,
  providerPageSchema,
  providerVersionPageSchema,
  providerVersionWithDefinitionSchema,
  providerWithDefinitionSchema,
} from "./schema.ts";
import { defineOpenRoute, defineRoute, type Route } from "../http/route.ts";
import { publicId } from "../../core/ids/ids.ts";

/** A provider as in its list. */
function providerView({ provider: of, source, version }: ProviderVersion): object {
  return {
    object: "provider",
    name: of.name,
    title: of.title,
    source,
    version: version?.number ?? null,
    version_created_at: isoTime(version?.createdAtMs ?? null),
    documentation_url: of.definition.documentation_url ?? null,
    base_url: of.baseUrl,
    params: of.paramNames,
    required_params: of.requiredParams,
    supports_cancel: of.supportsCancel,
    default_deadline_s: of.deadlineMs / 1000,
    deadline_s_max: of.deadlineMsMax / 1000,
    limits: {
      concurrency: of.limits.concurrency,
      requests_per_second: of.limits.requestsPerSecond,
      burst: of.limits.burst,
    },
  };
}

/** The same with its definition, to be read, copied and changed. */
function providerWithDefinition(known: ProviderVersion): object {
  return { ...providerView(known), definition: known.written };
}

const TAG = "Providers";
const PATH = "/v1/providers/{name}";

export function providerRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  // The schema first: to the router its path would be a name as well.
  return [
    list(services),
    readSchema(),
    read(services),
    versions(services),
    readVersion(),
    put(services, newUuid),
    remove(services),
  ];
}

function list(services: ApiServices): Route {
  return defineRoute({
    operationId: "listProviders",
    method: "GET",
    path: "/v1/providers",
    tag: TAG,
    summary: "List the job APIs that can be watched",
    scope: "subscriptions:read",
    success: { status: 200, description: "All of them.", schema: providerPageSchema },
    async handle({ caller: { projectId } }) {
      await services.providers.refresh();
      const items = services.providers
        .list(projectId)
        .map((one) => JSON.stringify(providerView(one)));
      return pageAnswer(items, null);
    },
  });
}

/** Public like the documentation: editors fetch it to help with writing definitions. */
function readSchema(): Route {
  let text: string | undefined;
  return defineOpenRoute({
    operationId: "getProviderSchema",
    method: "GET",
    path: "/v1/providers/schema",
    isCostly: true,
    tag: TAG,
    summary: "Read the JSON Schema of a provider definition",
    success: { status: 200, description: "JSON Schema 2020-12.", schema: z.looseObject({}) },
    handle: () => jsonAnswer(200, (text ??= JSON.stringify(definitionJsonSchema()))),
  });
}

function read(services: ApiServices): Route {
  return defineRoute({
    operationId: "getProvider",
    method: "GET",
    path: PATH,
    tag: TAG,
    summary: "Get a provider and its definition",
    description: "The definition can be copied, changed, and put under a name of your own.",
    scope: "subscriptions:read",
    success: { status: 200, description: "The provider.", schema: providerWithDefinitionSchema },
    problems: ["not_found"],
    async handle({ caller: { projectId }, name }) {
      const known = await services.providers.findFresh(projectId, name);
      return known === null ? noSuchProvider(name) : providerAnswer(200, known);
    },
  });
}

function versions(services: ApiServices): Route {
  return defineRoute({
    operationId: "listProviderVersions",
    method: "GET",
    path: `${PATH}/versions`,
    tag: TAG,
    summary: "List the versions of a provider of your own, newest first",
    description:
      "The newest 100. Watched jobs keep the version they began with. A provider that comes with the " +
      "gateway has none.",
    scope: "subscriptions:read",
    success: { status: 200, description: "The versions.", schema: providerVersionPageSchema },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, name }) {
      const rows = await listProviderVersions(database, { projectId, name });
      if (rows.length === 0 && services.providers.find(projectId, name) === null) {
        return noSuchProvider(name);
      }
      return pageAnswer(
        rows.map((row) => JSON.stringify(versionView(name, row))),
        null,
      );
    },
  });
}

function readVersion(): Route {
  return defineRoute({
    operationId: "getProviderVersion",
    method: "GET",
    path: `${PATH}/versions/{version}`,
    tag: TAG,
    summary: "Get one version of a provider of your own, with its definition",
    description: "Also after a newer one was put, or the provider was deleted.",
    scope: "subscriptions:read",
    success: {
      status: 200,
      description: "The version.",
      schema: providerVersionWithDefinitionSchema,
    },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, name, version }) {
      const found = await findProviderVersion(database, { projectId, name, version });
      if (found === null) {
        const shown = JSON.stringify(name.slice(0, 100));
        return refused("not_found", `The project's provider ${shown} has no version ${version}.`);
      }
      const view = JSON.stringify(versionView(name, found));
      // As its author wrote it, digits included.
      return jsonAnswer(200, `${view.slice(0, -1)},"definition":${found.definition}}`);
    },
  });
}

function versionView(name: string, of: ListedProviderVersion): object {
  return {
    object: "provider_version",
    name,
    version: of.version,
    created_by: of.createdByKeyId === null ? null : publicId("apiKey", of.createdByKeyId),
    created_at: isoTime(of.createdAtMs),
    deleted_at: isoTime(of.deletedAtMs),
  };
}

function put(services: ApiServices, newUuid: UuidSource): Route {
  return defineRoute({
    operationId: "putProvider",
    method: "PUT",
    path: PATH,
    tag: TAG,
    summary: "Create or change a provider of your own",
    description:
      "Each change creates a new version. Watched jobs keep the version they began with; new " +
      "jobs use the newest, on other nodes within about half a second. Repeating the same " +
      "definition changes nothing. /v1/providers/schema describes definitions.",
    scope: "admin",
    body: { schema: definitionBodySchema, bytesMax: DEFINITION_BYTES_MAX },
    success: {
      status: 200,
      description: "The provider, changed or the same as before.",
      created: "It is new.",
      schema: providerWithDefinitionSchema,
    },
    problems: ["provider_name_taken", "too_many_providers", "project_limit_reached"],
    async handle(request) {
      const { name, bodyText } = request;
      const { projectId, keyId } = request.caller;
      const known = await services.providers.findFresh(projectId, name);
      if (known !== null && known.source !== "project") return nameTaken(known);
      const definition = readNamedDefinition(name, bodyText, (url) =>
        services.checkUpstreamUrl(projectId, url),
      );
      if (!definition.ok) return definition;
      const { text, isSame } = definition.value;
      const wanted = {
        id: newUuid(services.clock.now(), 0),
        projectId,
        name,
        definition: text,
        keyId,
        isSame,
        namesMax: services.limits.allowed(projectId, "definitions"),
        versionsMax: services.limits.allowed(projectId, "definition_versions"),
      };
      const outcome = await putAudited(services, request, wanted);
      if (outcome.kind === "too_many") return tooMany(projectId, services);
      if (outcome.kind === "too_many_versions") return tooManyVersions(projectId, services);
      const stored = await services.providers.findFresh(projectId, name);
      if (stored === null) return noSuchProvider(name);
      return providerAnswer(outcome.kind === "created" ? 201 : 200, stored);
    },
  });
}

function putAudited(
  services: ApiServices,
  request: Parameters<typeof auditedRequest>[1],
  wanted: Parameters<typeof putProvider>[1],
): Promise<PutOutcome> {
  return auditedRequest(services, request, "put-provider", async (within, note) => {
    const put = await putProvider(within, wanted);
    const { kind } = put;
    if (kind === "created" || kind === "changed") {
      const details = { version: put.version };
      note({ action: `provider.${kind}`, subject: wanted.name, details });
    }
    return put;
  });
}

function remove(services: ApiServices): Route {
  return defineRoute({
    operationId: "deleteProvider",
    method: "DELETE",
    path: PATH,
    tag: TAG,
    summary: "Delete a provider of your own",
    description:
      "Refused while the project has connections to it, which can't be deleted while jobs are " +
      "watched through them. Recorded events are unchanged.",
    scope: "admin",
    success: { status: 204, description: "Provider deleted." },
    problems: ["not_found", "provider_in_use"],
    async handle(request) {
      const { name } = request;
      const { projectId } = request.caller;
      const done = await auditedRequest(
        services,
        request,
        "delete-provider",
        async (within, note) => {
          const outcome = await deleteProvider(within, { projectId, name });
          if (outcome === "deleted") note({ action: "provider.deleted", subject: name });
          return outcome;
        },
      );
      switch (done) {
        case "not_found":
          return notOwn(name);
        case "in_use":
          return refused(
            "provider_in_use",
            `Connections to ${name} need its definition; delete them first.`,
          );
        case "deleted":
          await services.providers.refresh();
          return NO_CONTENT;
      }
    },
  });
}

function providerAnswer(status: 200 | 201, known: ProviderVersion) {
  return jsonAnswer(status, JSON.stringify(providerWithDefinition(known)));
}

export function noSuchProvider(name: string): Refusal {
  return refused("not_found", `There is no provider ${JSON.stringify(name.slice(0, 100))}.`);
}

function notOwn(name: string): Refusal {
  return refused(
    "not_found",
    `The project has no provider ${JSON.stringify(name.slice(0, 100))} of its own; others can't be deleted.`,
  );
}

function nameTaken({ provider: { name }, source }: ProviderVersion): Refusal {
  const whose = source === "file" ? "comes from the operator's files" : "comes with Ringback";
  return refused("provider_name_taken", `A provider named ${name} ${whose}; take another name.`);
}

function tooMany(projectId: string, { limits }: ApiServices): Refusal {
  const allowed = limits.allowed(projectId, "definitions");
  return limitRefusal(limits, {
    projectId,
    name: "definitions",
    code: "too_many_providers",
    detail: `The project has at most ${allowed} providers of its own; delete some first.`,
  });
}

function tooManyVersions(projectId: string, { limits }: ApiServices): Refusal {
  return limitRefusal(limits, {
    projectId,
    name: "definition_versions",
    code: "project_limit_reached",
    detail:
      "The project's definitions have reached their limit of versions, since every version is " +
      "kept for the jobs that began with it; ask the operator for more.",
  });
}
