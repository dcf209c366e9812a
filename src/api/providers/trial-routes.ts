import { sliceRawJson } from "../../core/json/raw-json.ts";
import { answerOfSample } from "../../providers/trial/sample.ts";
import {
  hasResultRequest,
  type LiveTrialOutcome,
  shownObservation,
  type Trial,
  tryAnswer,
} from "../../providers/trial/trial.ts";
import {
  shownSubmission,
  type SubmissionTrial,
  trySubmission,
} from "../../providers/trial/trial-submission.ts";
import { jsonAnswer } from "../http/answer.ts";
import { paramFaults, urlFaults } from "./provider-faults.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts, refused } from "../http/problem.ts";
import type { Outcome } from "../../core/problem.ts";
import { readNamedDefinition } from "./definition.ts";
import { noSuchProvider } from "./routes.ts";
import { providerTrialSchema, type TrialRequest, trialRequestSchema } from "./schema.ts";
import { defineRoute, type Reply, type Route, WAITS_FOR_OTHERS_MS } from "../http/route.ts";
import { DEFAULT_CONNECTION } from "../subscriptions/schema.ts";
import type { ProviderVersion } from "../../providers/compile/provider.ts";

/** The definition that is tried. */
type TrialResult = Pick<ProviderVersion, "provider" | "source" | "version">;

/** @param live set for a job that was polled; null for a sample */
function trialJson(
  tried: TrialResult,
  { consequence, observation, ...steps }: Trial,
  live: Extract<LiveTrialOutcome, { kind: "answered" }> | null,
): string {
  return JSON.stringify({
    ...heading(tried),
    asked: live?.asked ?? null,
    answer: live?.answer ?? null,
    failure: null,
    steps: { ...steps, observation: shownObservation(observation) },
    submission: null,
    consequence,
  });
}

/** How the answer to a submission is read. */
function submissionTrialJson(tried: TrialResult, { job, consequence }: SubmissionTrial): string {
  const nothing = { asked: null, answer: null, failure: null, steps: null };
  const submission = shownSubmission(job);
  return JSON.stringify({ ...heading(tried), ...nothing, submission, consequence });
}

function failedTrialJson(
  tried: TrialResult,
  { asked, reason, consequence }: Extract<LiveTrialOutcome, { kind: "not_answered" }>,
): string {
  const nothing = { answer: null, failure: reason, steps: null, submission: null };
  return JSON.stringify({ ...heading(tried), asked, ...nothing, consequence });
}

function heading({ provider, version }: TrialResult): object {
  return {
    object: "provider_trial",
    provider: provider.name,
    version: version?.number ?? null,
  };
}

const BODY_BYTES_MAX = 1024 * 1024;

export function providerTrialRoutes(services: ApiServices): Route[] {
  return [tryOut(services)];
}

function tryOut(services: ApiServices): Route {
  return defineRoute({
    operationId: "tryProvider",
    method: "POST",
    path: "/v1/providers/{name}/try",
    tag: "Providers",
    summary: "Try a definition on a response",
    description:
      "Shows for each rule whether it matched and why not, which values were found where, and " +
      "what Ringback would do. Send a sample `answer`, or a `job_id` that is polled once, " +
      "within the limits of the connection. With `submission`, the sample answers that request, and " +
      "the job that it would be read as having submitted is shown. `definition` tries one that is not stored. Nothing " +
      "is changed.",
    scope: "admin",
    body: { schema: trialRequestSchema, bytesMax: BODY_BYTES_MAX },
    answeredWithinMs: WAITS_FOR_OTHERS_MS,
    success: { status: 200, description: "Step by step.", schema: providerTrialSchema },
    problems: ["not_found", "unknown_connection", "upstream_not_asked"],
    async handle({ caller: { projectId }, name, body, bodyText }) {
      const tried = await findTried(projectId, name, body, bodyText, services);
      if (!tried.ok) return tried;
      // Reading a sample of a MiB takes some ten milliseconds: one in each turn of the event loop.
      if (body.job_id === undefined) await services.admission.beginReading(projectId);
      return body.job_id === undefined
        ? trySample(tried.value, body, bodyText, services)
        : tryJob({ projectId, tried: tried.value, body, jobId: body.job_id }, services);
    },
  });
}

/** The definition to try: the one in the request, or the current one. */
async function findTried(
  projectId: string,
  name: string,
  body: TrialRequest,
  bodyText: string,
  services: ApiServices,
): Promise<Outcome<TrialResult>> {
  if (body.definition === undefined) {
    const known = await services.providers.findFresh(projectId, name);
    return known === null ? noSuchProvider(name) : { ok: true, value: known };
  }
  const definition = sliceRawJson(bodyText, ["definition"]) ?? "{}";
  const read = readNamedDefinition(
    name,
    definition,
    (url) => services.checkUpstreamUrl(projectId, url),
    "/definition",
  );
  if (!read.ok) return read;
  // A project's own definition, wherever it may lead; it has no version yet.
  return { ok: true, value: { provider: read.value.provider, source: "project", version: null } };
}

function trySample(
  tried: TrialResult,
  body: TrialRequest,
  text: string,
  { clock }: ApiServices,
): Reply {
  const { answer, request, age_s: ageS, seen_before: seenBefore } = body;
  if (answer === undefined) throw new Error("A trial without an answer and without a job.");
  if (request === "result" && !hasResultRequest(tried.provider)) {
    const detail = `The provider ${tried.provider.name} has no second request; leave this out.`;
    const problem = problemOfParts("validation_failed", [{ pointer: "/request", detail }]);
    return { ok: false, problem };
  }
  if (body.submission !== undefined) {
    const { method, path, headers } = body.submission;
    const names = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    const asked = { method, path, headers: Object.fromEntries(names) as Record<string, string> };
    const read = trySubmission(tried.provider, asked, answerOfSample(answer, text, ["answer"]));
    return jsonAnswer(200, submissionTrialJson(tried, read));
  }
  const facts = { ageMs: ageS * 1000, seenBefore, nowMs: clock.now() };
  const sample = answerOfSample(answer, text, ["answer"]);
  return jsonAnswer(200, trialJson(tried, tryAnswer(tried.provider, request, sample, facts), null));
}

async function tryJob(
  wanted: {
    readonly projectId: string;
    readonly tried: TrialResult;
    readonly body: TrialRequest;
    readonly jobId: string;
  },
  services: ApiServices,
): Promise<Reply> {
  const { projectId, tried, body, jobId } = wanted;
  const { name } = tried.provider;
  const connectionName = body.connection ?? DEFAULT_CONNECTION;
  const connection = await services.connections.findFresh(projectId, name, connectionName);
  if (connection === null) {
    const detail = `${name} has no connection named ${JSON.stringify(connectionName)}; create it with POST /v1/connections.`;
    const problem = problemOfParts("unknown_connection", [{ pointer: "/connection", detail }]);
    return { ok: false, problem };
  }
  const params = body.params ?? {};
  const faults = [
    ...paramFaults(tried.provider, params),
    ...urlFaults(tried.provider, connection.baseUrl, params),
  ];
  if (faults.length > 0) return { ok: false, problem: problemOfParts("validation_failed", faults) };
  const outcome = await services.poller.tryLive(connection.id, {
    known: tried,
    job: { jobId, params },
    ageMs: body.age_s * 1000,
    seenBefore: body.seen_before,
  });
  switch (outcome.kind) {
    case "not_asked":
      return refused("upstream_not_asked", outcome.problem);
    case "not_answered":
      return jsonAnswer(200, failedTrialJson(tried, outcome));
    case "answered":
      return jsonAnswer(200, trialJson(tried, outcome.trial, outcome));
  }
}
