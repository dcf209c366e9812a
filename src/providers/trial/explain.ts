import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { Places } from "../compile/answers.ts";
import { type CompiledRule, holdsAll } from "../compile/rules.ts";
import { cleanLine, findError } from "../answer/error-text.ts";
import { type AnswerFacts, interpretAnswer, type Interpretation } from "../answer/interpret.ts";
import { interpretResult, type ResultFacts } from "../answer/interpret-result.ts";
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
export interface RuleExplanation {
  /** Its place in the definition, as a JSON Pointer. */
  readonly rule: string;
  readonly note?: string;
  readonly observe: string;
  /** not_tried: an earlier rule matched. */
  readonly outcome: "matched" | "did_not_match" | "not_tried";
  /** The first condition that failed, or that held only with another case; null when all held. */
  readonly why: string | null;
}

/** One value that was looked for in the response. */
export interface ExtractExplanation {
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
  const body = readBody(answer);
  const steps = new Steps(answer.body.length);
  const observation = interpretAnswer(provider, answer, facts, steps);
  return {
    ...explainRules("/rules", provider.answers.rules, answer, body, facts.remembered ?? null),
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
  const observation = interpretResult(provider, answer, facts, steps);
  const looked: Looked[] = [
    ["/result/error", result.answers.error, findError],
    ["/result/at", result.answers.format === "json" ? result.answers.at : []],
  ];
  return {
    ...explainRules("/result/rules", result.answers.rules, answer, body),
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
          ["/result/request/url_at", result.urlAt ?? []] as const,
          ...result.values.map(
            ({ pointer, tokens }) => [`/result/request {answer.${pointer}}`, [tokens]] as const,
          ),
        ]),
  ];
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

function explainRules(
  field: string,
  rules: readonly CompiledRule[],
  answer: UpstreamResponse,
  body: BodyReading,
  remembered: string | null = null,
): Pick<AnswerExplanation, "http_status" | "body" | "rules" | "decided_by"> {
  let decidedBy: string | null = null;
  const explained: RuleExplanation[] = [];
  for (const [index, compiled] of rules.entries()) {
    const rule = `${field}/${index}`;
    const { note, observe } = compiled.rule;
    const told = { rule, ...(note !== undefined && { note }), observe };
    if (decidedBy !== null) {
      explained.push({ ...told, outcome: "not_tried", why: null });
      continue;
    }
    const why = mismatch(compiled, answer, body, remembered);
    if (body.steps.isExceeded) {
      explained.push({ ...told, outcome: "not_tried", why: NO_STEPS_LEFT });
      continue;
    }
    if (why === null) decidedBy = rule;
    explained.push({ ...told, outcome: why === null ? "matched" : "did_not_match", why });
  }
  if (decidedBy === null && !body.steps.isExceeded) {
    const index = rules.findIndex(
      (rule) => mismatch(asLenient(rule), answer, body, remembered) === null,
    );
    const matched = explained[index];
    if (matched !== undefined && body.kind === "json" && !body.steps.isExceeded) {
      decidedBy = matched.rule;
      const why = `${matched.why}, which differs in case or in blanks around it only`;
      explained[index] = { ...matched, outcome: "matched", why };
    }
  }
  return {
    http_status: answer.status,
    body: {
      bytes: answer.body.length,
      is_json: body.kind === "json",
      why: body.kind === "json" ? null : body.why,
    },
    rules: explained,
    decided_by: decidedBy,
  };
}

/** The rule as it is compared with a response that no rule matches. */
function asLenient(compiled: CompiledRule): CompiledRule {
  return { ...compiled, conditions: compiled.lenient };
}

/** The first condition of a rule that fails, or null when it matches. */
function mismatch(
  compiled: CompiledRule,
  { status, headers }: UpstreamResponse,
  body: BodyReading,
  remembered: string | null,
): string | null {
  const { rule, hasStatus, headerTests, conditions } = compiled;
  if (!hasStatus(status)) {
    return `http_status must be ${JSON.stringify(rule.http_status)}, and is ${status}`;
  }
  if (rule.remembered !== undefined && rule.remembered !== remembered) {
    return `no earlier answer matched a rule that remembers ${rule.remembered}`;
  }
  const failedHeader = rule.headers[headerTests.findIndex((holds) => !holds(headers))];
  if (failedHeader !== undefined) {
    const { name } = failedHeader;
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    const is =
      value === undefined
        ? "is not there"
        : `is ${cleanLine(JSON.stringify(value), SHOWN_CHARACTERS_MAX)}`;
    return `the header ${name} must be ${wanted(failedHeader)}, and ${is}`;
  }
  const failed = conditions.findIndex((holds) => !holdsAll([holds], body));
  const condition = rule.all[failed];
  if (condition === undefined) return null;
  const place = condition.pointer === "" ? "the whole answer" : condition.pointer;
  return `${place} must be ${wanted(condition)}, and ${shown(body, condition.pointer)}`;
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
  return `is ${cleanLine(sliceRawJson(body.text, tokens) ?? "", SHOWN_CHARACTERS_MAX)}`;
}
