import { parseArgs } from "node:util";
import { type JsonFileReading, readJsonFile } from "../providers/compile/files.ts";
import { parseDefinition } from "../providers/definition/text.ts";
import type { Provider } from "../providers/compile/provider.ts";
import { readDefinition } from "../providers/compile/read-definition.ts";
import { answerOfSample, sampleAnswerSchema } from "../providers/trial/sample.ts";
import {
  type AnsweredRequestKind,
  hasResultRequest,
  shownObservation,
  type Trial,
  tryAnswer,
} from "../providers/trial/trial.ts";
import { systemClock } from "../runtime/clock.ts";
import { invalidPointers } from "../runtime/settings/invalid-places.ts";

const TRY_USAGE = `Usage: npm run provider:try -- <definition.json> [<answer.json>] [options]

Shows how a definition reads an answer, {"status": 200, "headers": {…}, "body": …}.
Without an answer it only checks the definition.

  --age-s <n>      the job was accepted so many seconds ago (0)
  --seen-before    an earlier answer proved that the upstream knows the job
  --result         the answer is that of the second request, for the result`;

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/** What is to be printed, and the exit code. */
export interface TryOutcome {
  readonly code: 0 | 1;
  readonly text: string;
}

/** Tries a definition on an answer, both from files. Needs no setting and no database. */
export async function tryProvider(args: readonly string[]): Promise<TryOutcome> {
  const options = readOptions(args);
  if (options === null) return failure([TRY_USAGE]);
  const { definitionFile, answerFile } = options;
  const definition = await readJsonFile(definitionFile);
  if (!definition.ok) return failure([`${definitionFile}: ${definition.problem}`]);
  const reading = readDefinition(parseDefinition(definition.text));
  if (!reading.ok) return failure(problemLines(definitionFile, reading.problems));
  const { provider } = reading;
  const good = `The definition of ${provider.name} (${provider.title}) is valid.`;
  if (answerFile === null) return { code: 0, text: good };
  if (options.request === "result" && !hasResultRequest(provider)) {
    return failure([`${provider.name} has no second request; leave --result out.`]);
  }
  const trial = tryFile(provider, options, await readJsonFile(answerFile, ANSWER_BYTES_MAX));
  return "text" in trial ? trial : { code: 0, text: [good, "", ...trialLines(trial)].join("\n") };
}

interface TryOptions {
  readonly definitionFile: string;
  readonly answerFile: string | null;
  readonly ageMs: number;
  readonly seenBefore: boolean;
  readonly request: AnsweredRequestKind;
}

/** Null when they make no sense. */
function readOptions(args: readonly string[]): TryOptions | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        "age-s": { type: "string", default: "0" },
        "seen-before": { type: "boolean", default: false },
        result: { type: "boolean", default: false },
      },
    });
    const [definitionFile, answerFile = null, ...more] = positionals;
    const ageMs = Number(values["age-s"]) * 1000;
    if (definitionFile === undefined || more.length > 0 || !(ageMs >= 0)) return null;
    return {
      definitionFile,
      answerFile,
      ageMs,
      seenBefore: values["seen-before"],
      request: values.result ? "result" : "status",
    };
  } catch {
    return null;
  }
}

function tryFile(
  provider: Provider,
  { answerFile, request, ageMs, seenBefore }: TryOptions,
  read: JsonFileReading,
): Trial | TryOutcome {
  const file = answerFile ?? "";
  if (!read.ok) return failure([`${file}: ${read.problem}`]);
  const parsed = sampleAnswerSchema.safeParse(read.json);
  if (!parsed.success) return failure(problemLines(file, invalidPointers(parsed.error.issues)));
  const answer = answerOfSample(parsed.data, read.text, []);
  return tryAnswer(provider, request, answer, { ageMs, seenBefore, nowMs: systemClock.now() });
}

function trialLines(trial: Trial): string[] {
  const { http_status: status, body, rules, extracted, steps, observation } = trial;
  const content = body.is_json ? "JSON" : `not read as JSON: ${body.why}`;
  return [
    `HTTP ${status}, ${body.bytes} bytes, ${content}`,
    "",
    "Rules, in order:",
    ...rules.map(({ rule, observe, outcome, why, note }) => {
      const told = { matched: "MATCHES", did_not_match: "no", not_tried: "not tried" }[outcome];
      const more = [why, note].filter((text) => text !== null && text !== undefined);
      return `  ${rule} (${observe}): ${[told, ...more].join("; ")}`;
    }),
    ...(trial.decided_by === null ? ["  No rule matches: HTTP's own meaning holds."] : []),
    "",
    "Found:",
    ...extracted.map(({ field, found_at: at, value }) =>
      at === null ? `  ${field}: nothing` : `  ${field} at ${at === "" ? "the top" : at}: ${value}`,
    ),
    "",
    `${steps.used} of ${steps.max} steps taken to read it.`,
    ...shownLines(shownObservation(observation)),
    trial.consequence,
  ];
}

function shownLines(observation: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(observation).flatMap(([name, value]) => {
    if (value === null) return [];
    return [`${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`];
  });
}

function problemLines(
  file: string,
  problems: readonly { readonly pointer: string; readonly detail: string }[],
): string[] {
  const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
  return [
    `${file} has ${count}:`,
    ...problems.map(
      ({ pointer, detail }) => `  ${pointer === "" ? "all of it" : pointer}: ${detail}`,
    ),
  ];
}

function failure(lines: readonly string[]): TryOutcome {
  return { code: 1, text: lines.join("\n") };
}
