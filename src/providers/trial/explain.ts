import { sliceRawJson } from "../../core/json/raw-json.ts";
import { quoteVisibly } from "../../core/printable.ts";
import type { HeaderOrPlace, Places } from "../compile/answers.ts";
import type { CompiledRule, RuleDecision, RuleFailure } from "../compile/rules.ts";
import { cleanLine, findError } from "../answer/error-text.ts";
import { type AnswerFacts, interpretAnswer, type Interpretation } from "../answer/interpret.ts";
import { interpretResult, type ResultFacts } from "../answer/interpret-result.ts";
import { readStatusBody } from "../answer/status-body.ts";
import {
  firstPresent,
  isPresent,
  pointerText,
  splitPointer,
  valueAt,
} from "../language/json-pointer.ts";
import type { Provider } from "../compile/provider.ts";
import { type BodyReading, readBody, type UpstreamResponse } from "../language/read-body.ts";
import { Steps } from "../language/steps.ts";
import type { ElementCondition, ProviderCondition } from "../definition/rule.ts";

/** One rule, compared with a response. */
interface RuleExplanation {
  /** Its place in the definition, as a JSON Pointer. */
  readonly rule: string;
  readonly note?: string | undefined;
  readonly observe: string;
  /** not_tried: an earlier rule matched. */
  readonly outcome: "matched" | "did_not_match" | "not_tried";
  /** The first condition that failed, or that held only with another case; null when all held. */
  readonly why: string | null;
}

/** One value that was looked for in the response. */
interface ExtractExplanation {
  /** Its place in the definition, as a JSON Pointer. */
  readonly field: string;
  /** Where it was found, as the definition writes it; null when it was not. */
  readonly found_at: string | null;
  /** JSON from the response, cut to a readable length. */
  readonly value: string | null;
}

/** How a response is read, step by step. */
export interface AnswerExplanation {
  readonly http_status: number;
  readonly body: { readonly bytes: number; readonly is_json: boolean; readonly why: string | null };
  readonly rules: readonly RuleExplanation[];
  /** The deciding rule, as a JSON Pointer, or null when HTTP's own meaning applies. */
  readonly decided_by: string | null;
  readonly extracted: readonly ExtractExplanation[];
  /** How many steps a poll takes to read the response, and how many it may take. */
  readonly steps: { readonly used: number; readonly max: number };
  readonly observation: Interpretation;
}

const VALUE_CHARACTERS_MAX = 1000;
const SHOWN_CHARACTERS_MAX = 100;
const NO_STEPS_LEFT = "the rules before it have taken all steps that one answer may take";

/** Reads a status response as a poll would, and explains how. Never throws. */
export function explainAnswer(
  provider: Provider,
  answer: UpstreamResponse,
  facts: AnswerFacts,
): AnswerExplanation {
  const { body } = readStatusBody(provider.answers, answer, facts.jobId ?? null);
  const steps = new Steps(answer.body.length);
  const trace: RuleDecision[] = [];
  const observation = interpretAnswer(provider, answer, facts, steps, trace);
  return {
    ...shownAnswer(answer, body),
    ...explainRules("/rules", provider.answers.rules, trace, answer, body),
    extracted: placesOf(provider).map((looked) => explainExtract(looked, body)),
    steps: { used: steps.used, max: steps.max },
    observation,
  };
}

/** The same for the response to the request for a result, of a provider that has one. */
export function explainResultAnswer(
  provider: Provider,
  answer: UpstreamResponse,
  facts: ResultFacts,
): AnswerExplanation {
  const { result } = provider.answers;
  if (result.kind !== "request") throw new Error(`${provider.name} has no result request`);
  const body = readBody(answer);
  const steps = new Steps(answer.body.length);
  const trace: RuleDecision[] = [];
  const observation = interpretResult(provider, answer, facts, steps, trace);
  const looked: Looked[] = [
    ["/result/error", result.answers.error, findError],
    ["/result/at", result.answers.format === "json" ? result.answers.at : []],
  ];
  return {
    ...shownAnswer(answer, body),
    ...explainRules("/result/rules", result.answers.rules, trace, answer, body),
    extracted: looked.map((one) => explainExtract(one, body)),
    steps: { used: steps.used, max: steps.max },
    observation,
  };
}

/** Where the definition names a value, and the places to look for it. */
type Looked = readonly [field: string, places: Places, find?: typeof findError];

function placesOf({ answers }: Provider): readonly Looked[] {
  const { progressParts, result } = answers;
  return [
    ["/extract/status", answers.status],
    ...(progressParts === null
      ? [["/extract/progress", answers.progress] as const]
      : progressParts.map(
          ([name, tokens]) => [`/extract/progress${pointerText([name])}`, [tokens]] as const,
        )),
    ["/extract/error", answers.error, findError],
    ["/extract/created_at", answers.createdAt],
    ["/extract/updated_at", answers.updatedAt],
    ...(result.kind === "in_answer"
      ? [["/result/at", result.at] as const]
      : [
          ["/result/request/url_at", placesIn(result.urlAt)] as const,
          ...result.values.map(
            ({ pointer, tokens }) => [`/result/request {answer.${pointer}}`, [tokens]] as const,
          ),
        ]),
  ];
}

/** Those that are in the body. */
function placesIn(urlAt: readonly HeaderOrPlace[] | null): Places {
  return urlAt?.flatMap(({ tokens }) => (tokens === null ? [] : [tokens])) ?? [];
}

function explainExtract(
  [field, places, find = firstPresent]: Looked,
  body: BodyReading,
): ExtractExplanation {
  const found = body.kind === "json" ? find(body.json, places, body.steps) : null;
  if (found === null || body.kind !== "json" || !body.steps.scan(body.text.length)) {
    return { field, found_at: null, value: null };
  }
  const raw = sliceRawJson(body.text, found.tokens) ?? "";
  return {
    field,
    found_at: pointerText(found.tokens),
    value: raw.slice(0, VALUE_CHARACTERS_MAX).toWellFormed(),
  };
}

function shownAnswer(
  { status, body: bytes }: UpstreamResponse,
  body: BodyReading,
): Pick<AnswerExplanation, "http_status" | "body"> {
  const isJson = body.kind === "json";
  return {
    http_status: status,
    body: { bytes: bytes.length, is_json: isJson, why: isJson ? null : body.why },
  };
}

/** Puts the decisions about rules into words. */
function explainRules(
  field: string,
  rules: readonly CompiledRule[],
  trace: readonly RuleDecision[],
  answer: UpstreamResponse,
  body: BodyReading,
): Pick<AnswerExplanation, "rules" | "decided_by"> {
  // The last one: a rule that names the word but for its case comes before one for any word.
  const decision = trace.findLast(({ failure }) => failure === null);
  const explained = rules.map(({ rule }, index): RuleExplanation => {
    const { note, observe } = rule;
    const of = { rule: `${field}/${index}`, ...(note !== undefined && { note }), observe };
    const exact = trace.find((one) => one.rule === index && !one.isLenient)?.failure;
    if (exact === undefined) return { ...of, outcome: "not_tried", why: null };
    if (exact === "steps") return { ...of, outcome: "not_tried", why: NO_STEPS_LEFT };
    if (exact === null && decision !== undefined && decision.rule < index)
      return { ...of, outcome: "not_tried", why: null };
    const why = exact === null ? null : inWords(rule, exact, answer, body);
    if (decision?.rule !== index) return { ...of, outcome: "did_not_match", why };
    return {
      ...of,
      outcome: "matched",
      why: why === null ? null : `${why}, which differs in case or in blanks around it only`,
    };
  });
  return {
    rules: explained,
    decided_by: decision === undefined ? null : `${field}/${decision.rule}`,
  };
}

/** Why a rule does not match, in words. */
function inWords(
  rule: CompiledRule["rule"],
  failure: Exclude<RuleFailure, "steps">,
  { status, headers }: UpstreamResponse,
  body: BodyReading,
): string {
  if (failure === "status") {
    return `http_status must be ${JSON.stringify(rule.http_status)}, and is ${status}`;
  }
  if (failure === "remembered") {
    return `no earlier answer matched a rule that remembers ${rule.remembered}`;
  }
  if ("header" in failure) {
    const test = rule.headers[failure.header];
    const name = test?.name ?? "";
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    const is = value === undefined ? "is not there" : `is ${shownHeader(value)}`;
    return `the header ${name} must be ${wanted(test ?? {})}, and ${is}`;
  }
  const condition = rule.all[failure.condition];
  const pointer = condition?.pointer ?? "";
  const place = pointer === "" ? "the whole answer" : pointer;
  return `${place} must be ${wanted(condition ?? {})}, and ${shown(body, pointer)}`;
}

function wanted(tests: Partial<ProviderCondition>): string {
  const { eq, in: oneOf, not_eq: not, not_in: noneOf, exists, empty, contains, some } = tests;
  const parts = [
    eq === undefined ? null : JSON.stringify(eq),
    oneOf === undefined ? null : `one of ${JSON.stringify(oneOf)}`,
    not === undefined ? null : `other than ${JSON.stringify(not)}`,
    noneOf === undefined ? null : `none of ${JSON.stringify(noneOf)}`,
    exists === undefined ? null : exists ? "there" : "absent",
    empty === undefined ? null : empty ? "empty" : "other than empty",
    contains === undefined ? null : `a text with ${JSON.stringify(contains)} in it`,
    some === undefined ? null : someWanted(some),
  ];
  const text = parts.filter((part) => part !== null).join(" and ");
  return tests.ignore_case ? `${text} in any case` : text;
}

function someWanted(conditions: readonly ElementCondition[]): string {
  const each = conditions.map((one) => `${one.pointer || "it"} is ${wanted(one)}`);
  return `an array with an element of which ${each.join(" and ")}`;
}

function shown(body: BodyReading, pointer: string): string {
  if (body.kind === "unreadable") return `the body can't be read: ${body.why}`;
  const tokens = splitPointer(pointer);
  const value = valueAt(body.json, tokens);
  if (value === undefined || !body.steps.scan(body.text.length)) return "is not there";
  if (!isPresent(value)) return "is null";
  // A text that looks like the wanted one may differ by a character without a width.
  if (typeof value === "string") return `is ${shownText(value)}`;
  return `is ${cleanLine(sliceRawJson(body.text, tokens) ?? "", SHOWN_CHARACTERS_MAX)}`;
}

function shownHeader(value: string | readonly string[]): string {
  return typeof value === "string"
    ? shownText(value)
    : cleanLine(JSON.stringify(value), SHOWN_CHARACTERS_MAX);
}

function shownText(value: string): string {
  return quoteVisibly(value.slice(0, SHOWN_CHARACTERS_MAX));
}
