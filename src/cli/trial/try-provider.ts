import type { Readable } from "node:stream";
import { problemLines, readAnswer } from "./answer-file.ts";
import { trialLines } from "./trial-text.ts";
import { builtInProviders } from "../../providers/catalogue.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import { readJsonFile } from "../../providers/compile/files.ts";
import { readDefinition } from "../../providers/compile/read-definition.ts";
import { parseDefinition } from "../../providers/definition/text.ts";
import {
  type AnsweredRequestKind,
  hasResultRequest,
  shownObservation,
  tryAnswer,
} from "../../providers/trial/trial.ts";
import type { SubmittedJob } from "../../providers/submission/recognize.ts";
import {
  shownSubmission,
  type TriedRequest,
  trySubmission,
} from "../../providers/trial/trial-submission.ts";
import { systemClock } from "../../runtime/clock.ts";

/** The text to print, and the exit code. */
interface TryOutcome {
  readonly code: 0 | 1;
  readonly text: string;
  /** The same for a program. */
  readonly json: object;
}

/** A definition and what to read by it. */
interface TryOptions {
  /** The name of a built-in provider, or a file. */
  readonly definition: string;
  /** Null to check the definition alone. */
  readonly answerFile: string | null;
  /** The status of an answer that is a bare body. */
  readonly status: number;
  /** Holds the answer when its file is `-`. */
  readonly stdin: Readable;
  readonly ageMs: number;
  readonly seenBefore: boolean;
  readonly request: AnsweredRequestKind;
  /** The request that the answer is to, when that may have submitted a job; null for a poll's. */
  readonly submission: TriedRequest | null;
}

/** Tries a definition on an answer, without a gateway. Needs no setting and no database. */
export async function tryProvider(options: TryOptions): Promise<TryOutcome> {
  const { definition, answerFile } = options;
  const found = await providerIn(definition);
  if ("problems" in found) return failure(found.problems);
  const { provider } = found;
  const good = `The definition of ${provider.name} (${provider.title}) is valid.`;
  if (answerFile === null) {
    return { code: 0, text: good, json: { valid: true, provider: provider.name } };
  }
  if (options.request === "result" && !hasResultRequest(provider)) {
    return failure([`${provider.name} has no second request; leave --result out.`]);
  }
  const read = await readAnswer(answerFile, options);
  if ("problems" in read) return failure(read.problems);
  const { request, ageMs, seenBefore, submission } = options;
  if (submission !== null) {
    const { job, consequence } = trySubmission(provider, submission, read.answer);
    const shown = { submission: shownSubmission(job), consequence };
    const lines = job === null ? [] : [`job_id: ${job.jobId}`, ...paramLines(job)];
    const text = [good, ...read.notes, "", ...lines, consequence].join("\n");
    return { code: 0, text, json: { valid: true, provider: provider.name, ...shown } };
  }
  const facts = { ageMs, seenBefore, nowMs: systemClock.now() };
  const { consequence, observation, ...steps } = tryAnswer(provider, request, read.answer, facts);
  const tried = { steps: { ...steps, observation: shownObservation(observation) }, consequence };
  const text = [good, ...read.notes, "", ...trialLines(tried.steps, consequence)].join("\n");
  return { code: 0, text, json: { valid: true, provider: provider.name, ...tried } };
}

async function providerIn(
  definition: string,
): Promise<{ readonly provider: Provider } | { readonly problems: readonly string[] }> {
  const builtIn = builtInProviders();
  const named = builtIn.get(definition);
  if (named !== undefined) return { provider: named.provider };
  const file = await readJsonFile(definition);
  if (!file.ok) {
    const names = [...builtIn.keys()].join(", ");
    const isName = /^[\w-]+$/.test(definition);
    const others = isName ? [`Built-in providers: ${names}.`] : [];
    return { problems: [`${definition}: ${file.problem}`, ...others] };
  }
  const reading = readDefinition(parseDefinition(file.text));
  return reading.ok ? reading : { problems: problemLines(definition, reading.problems) };
}

function paramLines({ params, recognizedBy }: SubmittedJob): string[] {
  const named = Object.entries(params).map(([name, value]) => `params.${name}: ${value}`);
  return [...named, `recognized_by: ${recognizedBy}`];
}

function failure(lines: readonly string[]): TryOutcome {
  return { code: 1, text: lines.join("\n"), json: { valid: false, problems: lines } };
}
