import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { findJobs, findProjectJob } from "../../store/jobs/find-jobs.ts";
import type { ApiPorts } from "../context.ts";
import { jsonAnswer, pageAnswer } from "../http/answer.ts";
import { JOB_STATUSES } from "../http/response-schemas.ts";
import { defineRoute, notFound, type Route } from "../http/route.ts";
import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import { pagingParameters, timeParameter } from "../request/list-query.ts";
import { jobIdSchema, nameSchema } from "../subscriptions/schema.ts";
import { jobWaits } from "../waiting.ts";
import { jobPageSchema, jobSchema } from "./schema.ts";
import { jobJson, waitingJobOf } from "./view.ts";

const TAG = "Jobs";

export function jobRoutes(ports: ApiPorts): Route[] {
  return [list(ports), read(ports)];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    operationId: "listJobs",
    method: "GET",
    path: "/v1/jobs",
    tag: TAG,
    summary: "List jobs, newest first",
    description:
      "Jobs that the project has subscribed to, in the order of their first subscriptions. " +
      "Give job_id to look one up; it is found at once however many there are.",
    scope: "subscriptions:read",
    query: z.strictObject({
      status: z.enum(JOB_STATUSES).optional(),
      job_id: jobIdSchema.optional(),
      provider: nameSchema.optional(),
      connection: nameSchema.optional(),
      created_after: timeParameter,
      ...pagingParameters,
    }),
    success: { status: 200, description: "A page of results.", schema: jobPageSchema },
    problems: ["invalid_cursor"],
    async handle({ database, caller: { projectId }, query }) {
      const { cursor, limit, ...filters } = query;
      const scope = listScope("jobs", projectId, filters);
      const beforeId = decodeCursor(scope, cursor);
      if (!beforeId.ok) return beforeId;
      const page = await findJobs(database, {
        projectId,
        limit,
        beforeId: beforeId.value,
        status: filters.status ?? null,
        jobId: filters.job_id ?? null,
        provider: filters.provider ?? null,
        connection: filters.connection ?? null,
        createdAfterMs: filters.created_after ?? null,
      });
      const waits = await jobWaits(database, ports, page.rows.map(waitingJobOf));
      const items = page.rows.map((row) => jobJson(row, ports, waits));
      return pageAnswer(items, page.lastId === null ? null : encodeCursor(scope, page.lastId));
    },
  });
}

function read(ports: ApiPorts): Route {
  return defineRoute({
    operationId: "getJob",
    method: "GET",
    path: "/v1/jobs/{id}",
    tag: TAG,
    summary: "Get a job",
    scope: "subscriptions:read",
    idKind: "job",
    success: { status: 200, description: "The job.", schema: jobSchema },
    async handle({ database, caller: { projectId }, id }) {
      const job = await findProjectJob(database, { projectId, id });
      if (job === null) return notFound("job", publicId("job", id));
      const waits = await jobWaits(database, ports, [waitingJobOf(job)]);
      return jsonAnswer(200, jobJson(job, ports, waits));
    },
  });
}
