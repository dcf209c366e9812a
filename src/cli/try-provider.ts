import type { Readable } from "node:stream";
import { problemLines, readAnswer } from "./answer-file.ts";
import { trialLines } from "./trial-text.ts";
import { readJsonFile } from "../providers/compile/files.ts";
import { readDefinition } from "../providers/compile/read-definition.ts";
import { parseDefinition } from "../providers/definition/text.ts";
import {
  type AnsweredRequestKind,
  hasResultRequest,
  shownObservation,
  tryAnswer,
} from "../providers/trial/trial.ts";
import type { SubmittedJob } from "../providers/submission/submitted-job.ts";
import {
  shownSubmission,
  type TriedRequest,
  trySubmission,
} from "../providers/trial/trial-submission.ts";
import { systemClock } from "../runtime/clock.ts";

/** The text to print, and the exit code. */
export interface TryOutcome {
  readonly code: 0 | 1;
  readonly text: string;
  /** The same for a program. */
  readonly json: object;
}

/** A definition and what to read by it. */
export interface TryOptions {
  readonly definitionFile: string;
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

/** Tries a definition on an answer, both from files. Needs no setting and no database. */
export async function tryProvider(options: TryOptions): Promise<TryOutcome> {
  const { definitionFile, answerFile } = options;
  const definition = await readJsonFile(definitionFile);
  if (!definition.ok) return failure([`${definitionFile}: ${definition.problem}`]);
  const reading = readDefinition(parseDefinition(definition.text));
  if (!reading.ok) return failure(problemLines(definitionFile, reading.problems));
  const { provider } = reading;
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
  const text = [good, ...read.notes, "", ...trialLines(tried)].join("\n");
  return { code: 0, text, json: { valid: true, provider: provider.name, ...tried } };
}

function paramLines({ params, recognizedBy }: SubmittedJob): string[] {
  const named = Object.entries(params).map(([name, value]) => `params.${name}: ${value}`);
  return [...named, `recognized_by: ${recognizedBy}`];
}

function failure(lines: readonly string[]): TryOutcome {
  return { code: 1, text: lines.join("\n"), json: { valid: false, problems: lines } };
}
