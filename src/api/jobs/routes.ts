import { z } from "@hono/zod-openapi";
import { parsePublicId, publicId } from "../../core/ids/ids.ts";
import type { ProjectLimitName } from "../../core/limits/project-limits.ts";
import { extendDeadline } from "../../store/jobs/extend-deadline.ts";
import { findJobs, findProjectJob } from "../../store/jobs/find-jobs.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer } from "../http/answer.ts";
import { problemOfParts, refused } from "../http/problem.ts";
import { defineRoute, notFound, type Reply, type Route } from "../http/route.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { idSchema } from "../http/response-schemas.ts";
import { jobIdSchema, metadataParameter, nameSchema } from "../subscriptions/schema.ts";
import { jobWaits } from "../waiting.ts";
import { explainJob } from "./explain.ts";
import {
  deadlineChangeSchema,
  jobExplanationSchema,
  jobFiltersSchema,
  jobPageSchema,
  jobSchema,
} from "./schema.ts";
import { jobJson, waitingJobOf } from "./view.ts";

const TAG = "Jobs";
const BODY_BYTES_MAX = 4 * 1024;

export function jobRoutes(services: ApiServices): Route[] {
  // Before the route with an id, which would take the word for an id.
  return [
    list(services),
    explainByName(services),
    read(services),
    explainById(services),
    extend(services),
  ];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listJobs",
    path: "/v1/jobs",
    tag: TAG,
    summary: "List jobs, newest first",
    description:
      "Jobs that the project has subscribed to, in the order of their first subscriptions. Use " +
      "job_id to look one up; this is fast for any number of jobs.",
    scope: "subscriptions:read",
    query: jobFiltersSchema,
    schema: jobPageSchema,
    find: (wanted, { database, query }) =>
      findJobs(database, {
        ...wanted,
        status: query.status ?? null,
        jobId: query.job_id ?? null,
        provider: query.provider ?? null,
        connection: query.connection ?? null,
        createdAfterMs: query.created_after ?? null,
        isLive: query.live,
        nearDeadlineAtMs: query.near_deadline ? services.clock.now() : null,
      }),
    async items(rows, { database }) {
      const waits = await jobWaits(database, services, rows.map(waitingJobOf));
      return rows.map((row) => jobJson(row, services, waits));
    },
  });
}

function read(services: ApiServices): Route {
  return defineReadRoute({
    operationId: "getJob",
    path: "/v1/jobs/{id}",
    tag: TAG,
    summary: "Get a job",
    scope: "subscriptions:read",
    idKind: "job",
    success: { status: 200, description: "The job.", schema: jobSchema },
    find: findProjectJob,
    json: async (job, { database }) =>
      jobJson(job, services, await jobWaits(database, services, [waitingJobOf(job)])),
  });
}

function extend(services: ApiServices): Route {
  return defineRoute({
    operationId: "extendJobDeadline",
    method: "POST",
    path: "/v1/jobs/{id}/extend",
    tag: TAG,
    summary: "Move the deadline of a job",
    description:
      "Gives a job that still runs more time, at most the deadline_s_max of its provider, counted " +
      "from now. A deadline is never moved back: if the job already has one that is later, that " +
      "one is kept.",
    scope: "subscriptions:write",
    idKind: "job",
    body: { schema: deadlineChangeSchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 200, description: "The job.", schema: jobSchema },
    problems: ["job_ended"],
    async handle({ database, caller: { projectId }, id, body }) {
      const job = await findProjectJob(database, { projectId, id });
      if (job === null) return notFound("job", publicId("job", id));
      const { provider } = services.providers.find(projectId, job.provider) ?? {};
      const maxMs = provider?.deadlineMsMax ?? 0;
      const addedMs = body.deadline_s * 1000;
      if (addedMs > maxMs) {
        const detail =
          provider === undefined
            ? `The project has no provider ${job.provider} any more, so the deadline can't be moved.`
            : `Must be at most ${Math.floor(maxMs / 1000)}, the longest that ${job.provider} allows.`;
        const part = { pointer: "/deadline_s", detail };
        return { ok: false, problem: problemOfParts("validation_failed", [part]) };
      }
      const { shardId } = job;
      const deadlineAtMs = services.clock.now() + addedMs;
      const movedToMs = await extendDeadline(database, { shardId, id, projectId, deadlineAtMs });
      if (movedToMs === null) {
        return refused("job_ended", "The job is watched no more; its deadline can't be moved.");
      }
      await services.commands.extended({ shardId, id });
      const waits = await jobWaits(database, services, [waitingJobOf(job)]);
      return jsonAnswer(200, jobJson({ ...job, deadlineAtMs: movedToMs }, services, waits));
    },
  });
}

const EXPLANATION =
  "In one response: the upstream's state and last responses, what each subscription waits " +
  "for and until when, its deliveries with their attempts, and what to do.";

function explainById(services: ApiServices): Route {
  return defineRoute({
    operationId: "explainJob",
    method: "GET",
    path: "/v1/jobs/{id}/explain",
    tag: TAG,
    summary: "Explain why a callback has not arrived",
    description: EXPLANATION,
    scope: "subscriptions:read",
    idKind: "job",
    query: z.strictObject({
      subscription_id: idSchema("sub").optional().openapi({
        description: "Only this subscription to the job.",
      }),
      metadata: metadataParameter,
    }),
    success: { status: 200, description: "The explanation.", schema: jobExplanationSchema },
    async handle({ database, caller: { projectId }, id, query }) {
      const { subscription_id: text, metadata = null } = query;
      const subscriptionId = text === undefined ? null : parsePublicId("subscription", text);
      const job = await findProjectJob(database, { projectId, id });
      if (job === null) return notFound("job", publicId("job", id));
      return explanationReply(
        await explainJob(job, services, { database, subscriptionId, metadata }),
      );
    },
  });
}

function explainByName(services: ApiServices): Route {
  return defineRoute({
    operationId: "explainJobByName",
    method: "GET",
    path: "/v1/jobs/explain",
    tag: TAG,
    summary: "Explain why a callback has not arrived, by the provider's id of the job",
    description:
      `${EXPLANATION} If several jobs have this id, the newest is explained; GET /v1/jobs ` +
      "lists them.",
    scope: "subscriptions:read",
    query: z.strictObject({
      job_id: jobIdSchema,
      provider: nameSchema.optional(),
      connection: nameSchema.optional(),
    }),
    success: { status: 200, description: "The explanation.", schema: jobExplanationSchema },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, query }) {
      const { rows } = await findJobs(database, {
        projectId,
        limit: 1,
        beforeId: null,
        status: null,
        jobId: query.job_id,
        provider: query.provider ?? null,
        connection: query.connection ?? null,
        createdAfterMs: null,
        isLive: false,
        nearDeadlineAtMs: null,
      });
      const [job] = rows;
      if (job === undefined)
        return refused("not_found", neverAccepted(projectId, query.job_id, services));
      const every = { database, subscriptionId: null, metadata: null };
      return explanationReply(await explainJob(job, services, every));
    },
  });
}

function explanationReply(explanation: string | null): Reply {
  return explanation === null
    ? refused("not_found", "No subscription to the job matches.")
    : jsonAnswer(200, explanation);
}

/** Why the job may not exist; the likeliest cause is a limit that the project has reached. */
function neverAccepted(projectId: string, jobId: string, { limits }: ApiServices): string {
  const name = jobId.length > 100 ? `${jobId.slice(0, 100)}…` : jobId;
  const missing = `No subscription to the job ${name} was accepted in this project, or it was removed after the retention.`;
  const reached = ACCEPT_LIMITS.find(
    (limit) => (limits.used(projectId, limit) ?? 0) >= limits.allowed(projectId, limit),
  );
  return reached === undefined
    ? `${missing} Check the provider and the project of the API key, and the response to POST ` +
        "/v1/subscriptions."
    : `${missing} The project has reached its limit ${reached} (${limits.allowed(projectId, reached)}), so new subscriptions are refused with 429: see GET /v1/project.`;
}

const ACCEPT_LIMITS = [
  "live_jobs",
  "live_subscriptions",
  "owed_deliveries",
  "stored_bytes",
] as const satisfies readonly ProjectLimitName[];
