import { textOfResult } from "../../../src/core/json/raw-result.ts";
import type { UpstreamResponse } from "../../../src/providers/language/read-body.ts";
import type { RequestBuilding } from "../../../src/providers/request/build.ts";
import { buildResultRequest } from "../../../src/providers/request/build.ts";
import { builtInProviders } from "../../support/providers.ts";
import {
  type AnswerExplanation,
  explainAnswer,
  explainResultAnswer,
} from "../../../src/providers/trial/explain.ts";
import type { Interpretation } from "../../../src/providers/answer/interpret.ts";
import { type PreparedTarget, prepareTarget } from "../../../src/providers/request/target.ts";
import type { AnswerFixture, Meaning, ProviderFixtures } from "./fixture.ts";

/** The upstream's time in every fixture. */
export const FIXTURE_NOW_MS = Date.parse("2026-01-01T00:00:00Z");

const providers = builtInProviders();

export function targetOf({ provider: name, connection }: ProviderFixtures): PreparedTarget {
  const provider = providers.get(name);
  if (provider === undefined) throw new Error(`No provider ${name}.`);
  const baseUrl = connection?.base_url ?? null;
  const preparation = prepareTarget(provider, {
    baseUrl,
    credential: connection?.credential ?? "key",
  });
  if (preparation.kind === "refused") throw new Error(preparation.problem);
  return preparation.target;
}

export function jobOf({ job }: ProviderFixtures) {
  return { jobId: job.id, params: job.params ?? {} };
}

/** Interprets an answer to the status request, and names the rule that decided. */
export function explainFixture(of: ProviderFixtures, fixture: AnswerFixture): AnswerExplanation {
  const isFirst = fixture.isFirst === true;
  return explainAnswer(targetOf(of).provider, answerOf(fixture), {
    seenBefore: !isFirst,
    ageMs: isFirst ? 1000 : 3_600_000,
    nowMs: FIXTURE_NOW_MS,
    remembered: fixture.remembered ?? null,
  });
}

/** The same of an answer to the request for the result. */
export function explainResultFixture(
  of: ProviderFixtures,
  fixture: AnswerFixture,
): AnswerExplanation {
  return explainResultAnswer(targetOf(of).provider, answerOf(fixture), {
    nowMs: FIXTURE_NOW_MS,
    times: { createdAt: null, updatedAt: null },
    fallback: '"what the status answer says"',
  });
}

function answerOf({ status = 200, headers = {}, body }: AnswerFixture): UpstreamResponse {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text) };
}

/** An observation in the words of a fixture. */
export function meaningOf(of: ProviderFixtures, observed: Interpretation): Meaning {
  switch (observed.kind) {
    case "running":
      return {
        running: observed.phase,
        ...(observed.progress !== null && { progress: JSON.parse(observed.progress) }),
        ...(observed.hintMs !== null && { wait_s: observed.hintMs / 1000 }),
        ...(observed.nextUrl !== undefined && { next_url: observed.nextUrl }),
        ...(observed.unknownStatus !== null && { unknown_status: observed.unknownStatus }),
      };
    case "completed":
      return { completed: JSON.parse(textOfResult(observed.result)) };
    case "failed":
      return { failed: observed.error };
    case "canceled":
      return { canceled: observed.error };
    case "expired":
      return { expired: observed.error };
    // As it ends once further answers have confirmed it.
    case "absent":
      return observed.ending.status === "expired"
        ? { expired: observed.ending.error }
        : { completed: JSON.parse(textOfResult(observed.ending.result)) };
    case "retry":
      return {
        retry: observed.cause,
        says: observed.reason,
        ...(observed.retryAfterMs !== null && { wait_s: observed.retryAfterMs / 1000 }),
      };
    case "credential_rejected":
      return { credential_rejected: observed.reason };
    case "result_wanted":
      return {
        asks: lineOf(buildResultRequest(targetOf(of), jobOf(of), observed.place, FIXTURE_NOW_MS)),
      };
  }
}

/** Method and URL, or why there is no request. */
export function lineOf(building: RequestBuilding): string {
  if (building.kind === "refused") return building.problem;
  return `${building.method} ${building.origin}${building.path}`;
}
