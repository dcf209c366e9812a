import type { RequestClient } from "../outbound/request-client.ts";
import { INCONCLUSIVE, type LaneVerdict } from "../core/job/job.ts";
import { buildStatusRequest } from "../providers/request/build.ts";
import type { UpstreamRequest } from "../providers/request/upstream-request.ts";
import { interpretFailure } from "../providers/answer/interpret.ts";
import {
  consequenceOf,
  type LiveTrial,
  type LiveTrialOutcome,
  shownAnswer,
  tryAnswer,
} from "../providers/trial/trial.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type AnswerLimits,
  followRedirects,
  misledBy,
  type PollExchange,
  pollRequest,
} from "./request/poll-request.ts";
import { redactedAnswer } from "./request/interpret-response.ts";
import { laneVerdictOf, sentTo } from "./request/status-fetcher.ts";
import type { UpstreamAccess } from "./upstream/access.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** How long a trial waits for its turn in the connection's lane. */
const TURN_WAIT_MS = 10_000;
/** A trial is read here and shown in part, not in a thread of its own as large answers of polls are. */
const ANSWER_BYTES_MAX = 4 * 2 ** 20;

/**
 * Asks about a job once, in its turn among the polls of the connection and within its limits. A
 * result that takes a second request is not asked for: it may be there for one download only.
 * Neither a job nor the connection is changed by what comes; only the lane learns from it.
 */
export async function tryLive(
  { clock }: Runtime,
  upstream: Upstream,
  trial: LiveTrial,
  client: Pick<RequestClient, "send">,
): Promise<LiveTrialOutcome> {
  const access = upstream.accessBy(trial.known);
  if (typeof access === "string") return { kind: "not_asked", problem: access };
  const facts = { nowMs: clock.now(), nextUrl: null, etag: null, mayLongPoll: false };
  const request = buildStatusRequest(access.target, trial.job, facts);
  if (request.kind === "refused") {
    return { kind: "not_asked", problem: access.redactText(request.problem) };
  }
  const generation = await upstream.takeTurn(TURN_WAIT_MS);
  if (generation === null) return { kind: "not_asked", problem: NO_TURN };
  const { origin } = upstream;
  let verdict: LaneVerdict = INCONCLUSIVE;
  try {
    const limits = {
      timeoutMs: access.requestTimeoutMs,
      responseBytesMax: Math.min(access.statusBytesMax, ANSWER_BYTES_MAX),
    };
    const landed = await land(access, client, request, limits);
    const { outcome } = landed;
    upstream.lane.charge(landed.redirects);
    const sent = sentTo(landed.request.origin, outcome);
    const asked = { method: request.method, url: shownUrl(landed.request, access) };
    if (outcome.kind === "failed") {
      const observation = interpretFailure(outcome.failure);
      verdict = laneVerdictOf({ interpretation: observation, sent }, origin);
      const reason = access.redactText(outcome.failure.message);
      return { kind: "not_answered", asked, reason, consequence: consequenceOf(observation) };
    }
    const { ageMs, seenBefore, job } = trial;
    const nowMs = clock.now();
    const answer = redactedAnswer(outcome, access, limits.responseBytesMax);
    const read = tryAnswer(access.provider, "status", answer, {
      ageMs,
      seenBefore,
      nowMs,
      jobId: job.jobId,
    });
    const misled = misledBy(landed, access, read.observation);
    const observation = misled === null ? read.observation : access.redact(misled);
    verdict = laneVerdictOf({ interpretation: observation, sent }, origin);
    const seen = { ...read, observation, consequence: consequenceOf(observation) };
    return { kind: "answered", asked, answer: shownAnswer(answer), trial: seen };
  } finally {
    upstream.lane.settle(verdict, generation);
  }
}

/** Sends the request, and on to where redirects lead, as a poll is sent. */
async function land(
  access: UpstreamAccess,
  client: Pick<RequestClient, "send">,
  request: UpstreamRequest,
  limits: AnswerLimits,
): Promise<PollExchange> {
  const sent = pollRequest(access, request, limits);
  const outcome = await client.send(sent);
  const prepared = access.target.status;
  const question = { access, prepared, kind: "status", limits } as const;
  return followRedirects(
    client,
    { ...question, affinity: null, remembered: null },
    { request, sent, outcome },
  );
}

const NO_TURN = `The connection is pausing or busy: no turn came within ${TURN_WAIT_MS / 1000} s.`;

/** The query's credential by its place as well: it may be too short to be told from other text. */
function shownUrl(request: UpstreamRequest, { target, redactText }: UpstreamAccess): string {
  const { authQuery } = target.status;
  const path = authQuery === "" ? request.path : request.path.replace(authQuery, "[credential]");
  return redactText(request.origin + path);
}
