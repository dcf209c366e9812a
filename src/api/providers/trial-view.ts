import type { ProviderVersion } from "../../providers/compile/provider-version.ts";
import {
  type LiveTrialOutcome,
  shownObservation,
  type Trial,
} from "../../providers/trial/trial.ts";

/** The definition that is tried. */
export type TrialResult = Pick<ProviderVersion, "provider" | "source" | "version">;

/** @param live set for a job that was polled; null for a sample */
export function trialJson(
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
    consequence,
  });
}

export function failedTrialJson(
  tried: TrialResult,
  { asked, reason, consequence }: Extract<LiveTrialOutcome, { kind: "not_answered" }>,
): string {
  const nothing = { answer: null, failure: reason, steps: null };
  return JSON.stringify({ ...heading(tried), asked, ...nothing, consequence });
}

function heading({ provider, version }: TrialResult): object {
  return {
    object: "provider_trial",
    provider: provider.name,
    version: version?.number ?? null,
  };
}
