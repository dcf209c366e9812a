import {
  type ExactNumber,
  isExactNumber,
  isSameNumber,
  sourceOfNumber,
} from "../../core/json/exact-number.ts";
import type { HeaderValues } from "../../core/job/retry-after.ts";
import {
  hasContent,
  isPresent,
  type PointerTokens,
  splitPointer,
  valueAt,
} from "../language/json-pointer.ts";
import { AnswerNumbers, ElementNumbers, type NumberSources } from "../language/number-sources.ts";
import type { BodyReading, UpstreamResponse } from "../language/read-body.ts";
import type { Steps } from "../language/steps.ts";
import type {
  ElementCondition,
  HeaderTest,
  ProviderCondition,
  ProviderRule,
  Scalar,
} from "../definition/rule.ts";

/** A rule's verdict on a response that it matches. */
export type RuleVerdict =
  | {
      readonly observe: "running";
      readonly phase: "pending" | "processing";
      /** True when the rule accepts any status word; one that no rule names is shown to people. */
      readonly takesAnyWord?: boolean;
      readonly remember?: string | undefined;
    }
  /** With the wait for responses that name none. */
  | { readonly observe: "rate_limited"; readonly waitMs: number | null }
  | {
      readonly observe: Exclude<ProviderRule["observe"], "running" | "rate_limited">;
      /** Text for an ending whose response has none. */
      readonly error?: string | undefined;
      /** The elements of arrays that the rule looks for. */
      readonly elements?: readonly MatchedElement[];
    };

/** A rule's knowledge of an ending, beyond the response. */
export type EndingVerdict = Pick<
  Exclude<RuleVerdict, { observe: "running" | "rate_limited" }>,
  "error" | "elements"
>;

/** An array in which a condition looks for an element. */
interface MatchedElement {
  readonly array: PointerTokens;
  /** The index of the first element that matches, or -1. */
  find(body: BodyReading): number;
}

/** A test of a response; `json` is undefined for a body that is not JSON. */
export type JsonTest = (json: unknown, numbers: NumberSources) => boolean;

/** A rule as functions of the response. */
export interface CompiledRule {
  readonly rule: ProviderRule;
  readonly verdict: RuleVerdict;
  readonly hasStatus: (httpStatus: number) => boolean;
  /** Steps for comparing it with the head of a response. */
  readonly headSteps: number;
  readonly headerTests: readonly ((headers: HeaderValues) => boolean)[];
  /** One test for each of the rule's conditions. */
  readonly conditions: readonly JsonTest[];
  /** The same, ignoring the status word's case and surrounding blanks; null where that changes nothing. */
  readonly lenient: readonly JsonTest[] | null;
  /** False for a rule that matches whatever the status word is. */
  readonly namesWord: boolean;
}

/**
 * @param statusAt where responses have a status word that is shown to people
 * @param wordAt where rules look for one
 */
export function compileRules(
  rules: readonly ProviderRule[],
  statusAt: readonly string[] = [],
  wordAt = statusAt,
): readonly CompiledRule[] {
  return rules.map((rule) => ({
    rule,
    verdict: compileVerdict(rule, statusAt),
    hasStatus: compileStatus(rule.http_status),
    headSteps: headSteps(rule),
    headerTests: rule.headers.map(compileHeaderTest),
    conditions: compileConditions(rule.all),
    lenient: rule.all.some(({ pointer }) => wordAt.includes(pointer))
      ? compileConditions(
          rule.all.map((one) =>
            wordAt.includes(one.pointer) ? { ...one, ignore_case: true } : one,
          ),
        )
      : null,
    namesWord: namesWord(rule, wordAt),
  }));
}

/** Where rules look for the status word: at `extract.status`, else at the one place that they name words for. */
export function wordPlaces(
  rules: readonly ProviderRule[],
  statusAt: readonly string[],
): readonly string[] {
  if (statusAt.length > 0) return statusAt;
  const places = new Set(
    rules.flatMap(({ all }) => all.filter(namesText).map((one) => one.pointer)),
  );
  return places.size === 1 ? [...places] : [];
}

function namesText({ eq, in: oneOf = [] }: ProviderCondition): boolean {
  return typeof eq === "string" || oneOf.some((one) => typeof one === "string");
}

/** The words that rules name, folded, at any place where responses have their status. */
export function wordsNamed(
  rules: readonly ProviderRule[],
  statusAt: readonly string[],
): ReadonlySet<unknown> {
  const conditions = rules.flatMap((rule) => rule.all.filter((one) => names(one, statusAt)));
  return new Set(
    conditions.flatMap(({ eq, in: oneOf = [] }) => oneOf.concat(eq ?? [])).map(foldCase),
  );
}

function names({ pointer, eq, in: oneOf }: ProviderCondition, statusAt: readonly string[]) {
  return statusAt.includes(pointer) && (eq !== undefined || oneOf !== undefined);
}

export function compileConditions(conditions: readonly ProviderCondition[]): readonly JsonTest[] {
  return conditions.map(compileCondition);
}

/** The first part of a rule that a response fails; the index of a header or a condition. */
export type RuleFailure =
  | "steps"
  | "status"
  | "remembered"
  | { readonly header: number }
  | { readonly condition: number };

/** One decision of {@link judge}; `failure` is null for the rule that matched. */
export interface RuleDecision {
  readonly rule: number;
  readonly isLenient: boolean;
  readonly failure: RuleFailure | null;
}

/**
 * The first matching rule's verdict, or null. Without an exact match, the status word's case and
 * surrounding blanks are ignored.
 * @param trace receives every decision, for an explanation
 */
export function judge(
  rules: readonly CompiledRule[],
  answer: Pick<UpstreamResponse, "status" | "headers">,
  body: BodyReading,
  remembered: string | null = null,
  trace?: RuleDecision[],
): RuleVerdict | null {
  const json = jsonOf(body);
  const numbers = new AnswerNumbers(body);
  const matches = (rule: CompiledRule, index: number, isLenient: boolean): boolean => {
    const conditions = (isLenient ? rule.lenient : null) ?? rule.conditions;
    const head = headFailure(rule, answer, body.steps, remembered);
    const condition = head === null ? conditions.findIndex((test) => !test(json, numbers)) : -1;
    if (trace !== undefined && !isLenient) {
      const failure = body.steps.isExceeded ? "steps" : failureOf(head, condition);
      trace.push({ rule: index, isLenient, failure });
    }
    return head === null && condition === -1;
  };
  const exact = rules.find((rule, index) => matches(rule, index, false));
  const isClear = exact?.namesWord === true || rules.every(({ lenient }) => lenient === null);
  if (isClear || json === undefined) return exact?.verdict ?? null;
  // A rule for any word must not hide the one for this word.
  const at = rules.findIndex((rule, index) => matches(rule, index, true));
  const lenient = rules[at];
  if (lenient === undefined || lenient === exact) return exact?.verdict ?? null;
  trace?.push({ rule: at, isLenient: true, failure: null });
  return lenient.verdict;
}

/** A number is the index of the header that fails. */
type HeadFailure = Extract<RuleFailure, string> | number;

function headFailure(
  { rule, hasStatus, headerTests, headSteps: needed }: CompiledRule,
  answer: Pick<UpstreamResponse, "status" | "headers">,
  steps: Steps,
  remembered: string | null,
): HeadFailure | null {
  if (!steps.spend(needed)) return "steps";
  if (!hasStatus(answer.status)) return "status";
  if (rule.remembered !== undefined && rule.remembered !== remembered) return "remembered";
  const header = headerTests.findIndex((test) => !test(answer.headers));
  return header === -1 ? null : header;
}

function failureOf(head: HeadFailure | null, condition: number): RuleFailure | null {
  if (typeof head === "number") return { header: head };
  return head ?? (condition === -1 ? null : { condition });
}

/** True when all conditions hold for a response's body. */
export function holdsAll(conditions: readonly JsonTest[], body: BodyReading): boolean {
  const numbers = new AnswerNumbers(body);
  return conditions.every((test) => test(jsonOf(body), numbers));
}

function jsonOf(body: BodyReading): unknown {
  return body.kind === "json" ? body.json : undefined;
}

function compileVerdict(rule: ProviderRule, statusAt: readonly string[]): RuleVerdict {
  const { observe, error, phase = "processing", wait_s: waitS } = rule;
  if (observe === "running") {
    const { remember } = rule;
    return { observe, phase, remember, takesAnyWord: takesAnyWord(rule, statusAt) };
  }
  if (observe === "rate_limited") {
    return { observe, waitMs: waitS === undefined ? null : Math.round(waitS * 1000) };
  }
  return { observe, error, elements: rule.all.flatMap(compileElement) };
}

/** True when a rule looks at an ordinary response without naming its status word. */
function takesAnyWord(rule: ProviderRule, statusAt: readonly string[]): boolean {
  const isOrdinary = compileStatus(rule.http_status)(200);
  return isOrdinary && !namesWord(rule, statusAt) && statusAt.length > 0;
}

function namesWord(rule: ProviderRule, wordAt: readonly string[]): boolean {
  return rule.all.some(
    (one) => names(one, wordAt) || (one.contains !== undefined && wordAt.includes(one.pointer)),
  );
}

function compileStatus(wanted: ProviderRule["http_status"]): (status: number) => boolean {
  if (wanted === undefined) return () => true;
  if (typeof wanted === "number") return (status) => status === wanted;
  if (Array.isArray(wanted)) return (status) => wanted.includes(status);
  return (status) => status >= wanted.gte && status <= wanted.lte;
}

/** One for the rule, and some for each test of a header, by its number of values. */
function headSteps({ headers }: ProviderRule): number {
  return headers.reduce((sum, { in: oneOf = [], contains = "" }) => {
    return sum + 2 + oneOf.length + contains.length;
  }, 1);
}

/** Values of headers are searched this far. */
const HEADER_CHARACTERS_MAX = 200;

export function compileHeaderTest({ name, eq, in: oneOf, contains, exists }: HeaderTest) {
  const part = contains?.toLowerCase();
  return (headers: HeaderValues): boolean => {
    // Own headers only, whatever name a definition uses.
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    const values: readonly string[] =
      value === undefined ? [] : typeof value === "string" ? [value] : value;
    if (exists !== undefined && exists !== values.length > 0) return false;
    if (eq !== undefined && !values.includes(eq)) return false;
    if (part !== undefined && !values.some((one) => holds(one, part))) return false;
    return oneOf === undefined || oneOf.some((one) => values.includes(one));
  };
}

function holds(value: string, part: string): boolean {
  return value.slice(0, HEADER_CHARACTERS_MAX).toLowerCase().includes(part);
}

/** A test of the value at a place; `tokens` lead there in the source of `numbers`. */
type ValueTest = (value: unknown, numbers: NumberSources, tokens: PointerTokens) => boolean;

function compileCondition(condition: ProviderCondition): JsonTest {
  const tests = compileTests(condition);
  if (condition.some !== undefined) tests.push(someElement(condition.some));
  return atPointer(condition.pointer, tests);
}

/** Many rules over a long array would delay everything else. */
const ELEMENTS_MAX = 1000;

/** True when one and the same element of an array passes all of these. */
function someElement(conditions: readonly ElementCondition[]): ValueTest {
  const indexOf = compileSearch(conditions);
  return (value, numbers, tokens) => indexOf(value, numbers, tokens) !== -1;
}

function compileElement({ pointer, some }: ProviderCondition): MatchedElement[] {
  if (some === undefined) return [];
  const array = splitPointer(pointer);
  const indexOf = compileSearch(some);
  const find = (body: BodyReading): number =>
    indexOf(valueAt(jsonOf(body), array), new AnswerNumbers(body), array);
  return [{ array, find }];
}

function compileSearch(conditions: readonly ElementCondition[]) {
  const tests = conditions.map((one) => atPointer(one.pointer, compileTests(one)));
  return (value: unknown, numbers: NumberSources, tokens: PointerTokens): number => {
    if (!Array.isArray(value)) return -1;
    const elements: readonly unknown[] =
      value.length > ELEMENTS_MAX ? value.slice(0, ELEMENTS_MAX) : value;
    const ofElement = new ElementNumbers(numbers, tokens, elements.length);
    return elements.findIndex((element, index) => {
      ofElement.index = index;
      return tests.every((test) => test(element, ofElement));
    });
  };
}

function atPointer(pointer: string, tests: readonly ValueTest[]): JsonTest {
  const tokens = splitPointer(pointer);
  const needed = 1 + tokens.length + tests.length;
  return (json, numbers) => {
    if (!numbers.steps.spend(needed)) return false;
    const value = valueAt(json, tokens);
    return tests.every((test) => test(value, numbers, tokens));
  };
}

function compileTests(condition: ElementCondition): ValueTest[] {
  const fold = condition.ignore_case ? foldCase : keepCase;
  const tests: ValueTest[] = [];
  const { eq, in: oneOf, not_eq: not, not_in: noneOf, exists, empty, contains } = condition;
  if (eq !== undefined) tests.push(isAmong([eq], fold));
  if (oneOf !== undefined) tests.push(isAmong(oneOf, fold));
  if (not !== undefined) tests.push(isPresent, negation(isAmong([not], fold)));
  if (noneOf !== undefined) tests.push(isPresent, negation(isAmong(noneOf, fold)));
  if (exists !== undefined) tests.push((value) => isPresent(value) === exists);
  if (empty !== undefined) {
    tests.push((value, { steps }) => hasContent(value, steps) !== empty);
  }
  if (contains !== undefined) tests.push(holdsText(contains, condition.ignore_case));
  return tests;
}

type Fold = (value: unknown) => unknown;

/** True when the value is one of these: numbers compared in full, texts as folded by `fold`. */
function isAmong(wanted: readonly Scalar[], fold: Fold): ValueTest {
  const others = new Set(wanted.filter((one) => !isNumber(one)).map(fold));
  const numbers = wanted.filter(isNumber).map(compileNumber);
  const isText: ValueTest = (value, { steps }) => {
    const folded = fold === foldCase && typeof value === "string" ? value.length : 0;
    return steps.fold(Math.min(folded, FOLDED_CHARACTERS_MAX)) && others.has(fold(value));
  };
  if (numbers.length === 0) return isText;
  return (value, sources, tokens) => {
    if (typeof value !== "number") return isText(value, sources, tokens);
    if (!sources.steps.spend(numbers.length)) return false;
    return numbers.some((isEqual) => isEqual(value, sources, tokens));
  };
}

function isNumber(value: Scalar): value is number | ExactNumber {
  return typeof value === "number" || isExactNumber(value);
}

/** Texts are searched this far, so that no response can delay all other polls. */
const SEARCHED_CHARACTERS_MAX = 10_000;
const PART_CHARACTERS_PER_PASS = 8;

function holdsText(part: string, ignoreCase: boolean): ValueTest {
  const wanted = ignoreCase ? part.toLowerCase() : part;
  return (value, { steps }) => {
    if (typeof value !== "string") return false;
    const text = value.slice(0, SEARCHED_CHARACTERS_MAX);
    if (ignoreCase && !steps.fold(text.length)) return false;
    // At worst the engine compares the whole part at each position.
    if (!steps.scan(text.length * Math.ceil(part.length / PART_CHARACTERS_PER_PASS))) return false;
    return (ignoreCase ? text.toLowerCase() : text).includes(wanted);
  };
}

/** The value's digits are looked up only where doubles agree and the response has long numbers. */
function compileNumber(wanted: number | ExactNumber) {
  const source = sourceOfNumber(wanted);
  const double = Number(source);
  return (value: number, numbers: NumberSources, tokens: PointerTokens): boolean => {
    if (value !== double) return false;
    if (!numbers.mayLoseDigits) return typeof wanted === "number";
    const found = numbers.sourceAt(tokens);
    return numbers.steps.fold(found.length) && isSameNumber(found, source);
  };
}

function negation(test: ValueTest): ValueTest {
  return (value, numbers, tokens) => !test(value, numbers, tokens);
}

function keepCase(value: unknown): unknown {
  return value;
}

/**
 * Blanks around a text and its case are ignored. A longer text folds to one longer than any that a
 * definition can name.
 */
const FOLDED_CHARACTERS_MAX = 1500;

export function foldCase(value: unknown): unknown {
  const isShort = typeof value === "string" && value.length <= FOLDED_CHARACTERS_MAX;
  return isShort ? value.trim().toLowerCase() : value;
}
