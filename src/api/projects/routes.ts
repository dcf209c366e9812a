import { publicId } from "../../core/ids/ids.ts";
import {
  eachLimit,
  type ProjectLimitName,
  type ProjectLimitValues,
} from "../../core/limits/project-limits.ts";
import type { Database } from "../../store/db/database.ts";
import { changeProjectSettings, findProject } from "../../store/projects/manage-projects.ts";
import type { ProjectRecord } from "../../store/projects/manage-projects.ts";
import { countStored, type StoredCounts } from "../../store/sql/stored-counts.ts";
import { jsonAnswer, isoTime } from "../http/answer.ts";
import { auditedRequest, changedFields } from "./audit-log.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts } from "../http/problem.ts";
import type { Outcome } from "../../core/problem.ts";
import { projectChangeSchema, projectSchema } from "./schema.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Reply, Route } from "../http/route.ts";

const TAG = "Project";
const BODY_BYTES_MAX = 64 * 1024;

export function projectRoutes(services: ApiServices): Route[] {
  return [read(services), change(services)];
}

function read(services: ApiServices): Route {
  return defineRoute({
    operationId: "getProject",
    method: "GET",
    path: "/v1/project",
    tag: TAG,
    summary: "Get the project of the API key",
    scope: "admin",
    success: { status: 200, description: "The project.", schema: projectSchema },
    async handle({ database, caller: { projectId } }) {
      const found = await findProject(database, projectId);
      return projectReply(found, { database, projectId }, services);
    },
  });
}

function change(services: ApiServices): Route {
  return defineRoute({
    operationId: "updateProject",
    method: "PATCH",
    path: "/v1/project",
    tag: TAG,
    summary: "Change the project's own settings",
    description:
      "Fields that are left out keep their values; null restores the operator's setting.",
    scope: "admin",
    body: { schema: projectChangeSchema, bytesMax: BODY_BYTES_MAX },
    callbackField: "operations_url",
    success: { status: 200, description: "The project.", schema: projectSchema },
    problems: ["callback_url_refused"],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const found = await findProject(database, projectId);
      if (found === null) return projectReply(found, { database, projectId }, services);
      const allowed = allowedOf(found, "live_jobs", services);
      if ((body.live_jobs_max ?? 0) > allowed) {
        const detail = `Must be at most ${allowed}, which is what the operator allows.`;
        const part = { pointer: "/live_jobs_max", detail };
        return { ok: false, problem: problemOfParts("validation_failed", [part]) };
      }
      const checked = await checkOperationsUrl(projectId, body.operations_url, services);
      if (!checked.ok) return checked;
      const change = { ...body, operations_url: checked.value };
      const name = "change-project-settings";
      const changed = await auditedRequest(services, request, name, async (within, note) => {
        const project = await changeProjectSettings(within, projectId, change);
        const subject = publicId("project", projectId);
        const details = { fields: changedFields(body) };
        if (project !== null) note({ action: "project.changed", subject, details });
        return project;
      });
      await services.projects.refresh();
      return projectReply(changed, { database, projectId }, services);
    },
  });
}

/** Validated like any callback URL. */
async function checkOperationsUrl(
  projectId: string,
  text: string | null | undefined,
  services: ApiServices,
): Promise<Outcome<string | null | undefined>> {
  if (text === null || text === undefined) return { ok: true, value: text };
  const checked = await services.checkCallbackUrl(projectId, text);
  if (checked.ok) return { ok: true, value: checked.url.href };
  const part = { pointer: "/operations_url", detail: checked.reason };
  return { ok: false, problem: problemOfParts("callback_url_refused", [part]) };
}

/** A key outlives its project only when rows are deleted by hand. */
async function projectReply(
  of: ProjectRecord | null,
  { database, projectId }: { readonly database: Database; readonly projectId: string },
  services: ApiServices,
): Promise<Reply> {
  if (of === null) return notFound("project", publicId("project", projectId));
  const stored = await countStored(database, projectId, services.clock.now());
  return jsonAnswer(200, projectJson(of, stored, services));
}

function projectJson(of: ProjectRecord, stored: StoredCounts, services: ApiServices): string {
  const counted: Partial<ProjectLimitValues> = stored;
  return JSON.stringify({
    id: publicId("project", of.id),
    object: "project",
    name: of.name,
    live_jobs: services.limits.used(of.id, "live_jobs") ?? 0,
    live_jobs_max: of.settings.live_jobs_max ?? null,
    live_jobs_allowed: allowedOf(of, "live_jobs", services),
    retry_schedule_s: of.settings.retry_schedule_s ?? null,
    signatures: of.settings.signatures ?? null,
    callback_concurrency: of.settings.callback_concurrency ?? null,
    callback_requests_per_second: of.settings.callback_requests_per_second ?? null,
    operations_url: of.settings.operations_url ?? null,
    frame_ancestors: of.settings.frame_ancestors ?? null,
    limits: eachLimit((name) => ({
      allowed: allowedOf(of, name, services),
      used: counted[name] ?? services.limits.used(of.id, name),
    })),
    created_at: isoTime(of.createdAtMs),
    updated_at: isoTime(of.updatedAtMs),
  });
}

/** From the row that was just read, which may be newer than this node's memory. */
function allowedOf(of: ProjectRecord, name: ProjectLimitName, services: ApiServices): number {
  return of.limits[name] ?? services.limits.allowedByDefault(name);
}
