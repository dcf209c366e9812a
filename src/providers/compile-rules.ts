import type { HeaderValues } from "../core/retry-after.ts";
import { hasContent, isPresent, splitPointer, valueAt } from "./json-pointer.ts";
import type {
  ElementCondition,
  HeaderTest,
  ProviderCondition,
  ProviderRule,
} from "./rule-definition.ts";

/** What a rule says about an answer it matches. */
export type RuleVerdict =
  | { readonly observe: "running"; readonly phase: "pending" | "processing" }
  | { readonly observe: Exclude<ProviderRule["observe"], "running"> };

export type JsonTest = (json: unknown) => boolean;

/** A rule as functions of the answer; `json` is undefined for a body that is not JSON. */
export interface CompiledRule {
  readonly rule: ProviderRule;
  readonly verdict: RuleVerdict;
  readonly hasStatus: (httpStatus: number) => boolean;
  readonly headerTests: readonly ((headers: HeaderValues) => boolean)[];
  /** One test for each of the rule's conditions. */
  readonly conditions: readonly JsonTest[];
}

export function compileRules(rules: readonly ProviderRule[]): readonly CompiledRule[] {
  return rules.map((rule) => ({
    rule,
    verdict: compileVerdict(rule),
    hasStatus: compileStatus(rule.http_status),
    headerTests: rule.headers.map(compileHeaderTest),
    conditions: compileConditions(rule.all),
  }));
}

export function compileConditions(conditions: readonly ProviderCondition[]): readonly JsonTest[] {
  return conditions.map(compileCondition);
}

/** The first matching rule's verdict, or null. */
export function judge(
  rules: readonly CompiledRule[],
  answer: { readonly status: number; readonly headers: HeaderValues },
  json: unknown,
): RuleVerdict | null {
  for (const { hasStatus, headerTests, conditions, verdict } of rules) {
    const matches =
      hasStatus(answer.status) &&
      holdsAll(headerTests, answer.headers) &&
      holdsAll(conditions, json);
    if (matches) return verdict;
  }
  return null;
}

export function holdsAll<T>(tests: readonly ((value: T) => boolean)[], value: T): boolean {
  return tests.every((test) => test(value));
}

function compileVerdict(rule: ProviderRule): RuleVerdict {
  return rule.observe === "running"
    ? { observe: "running", phase: rule.phase ?? "processing" }
    : { observe: rule.observe };
}

function compileStatus(wanted: ProviderRule["http_status"]): (status: number) => boolean {
  if (wanted === undefined) return () => true;
  if (typeof wanted === "number") return (status) => status === wanted;
  if (Array.isArray(wanted)) return (status) => wanted.includes(status);
  return (status) => status >= wanted.gte && status <= wanted.lte;
}

function compileHeaderTest({ name, eq, in: oneOf, exists }: HeaderTest) {
  return (headers: HeaderValues): boolean => {
    // Own headers only, however the definition calls one.
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
    if (exists !== undefined && exists !== values.length > 0) return false;
    if (eq !== undefined && !values.includes(eq)) return false;
    return oneOf === undefined || oneOf.some((one) => values.includes(one));
  };
}

function compileCondition(condition: ProviderCondition): JsonTest {
  const tests = compileTests(condition);
  if (condition.some !== undefined) tests.push(someElement(condition.some));
  return atPointer(condition.pointer, tests);
}

/** Many rules over a long array would keep everybody waiting. */
const ELEMENTS_MAX = 1000;

/** Whether one and the same element of an array passes all of these. */
function someElement(conditions: readonly ElementCondition[]): JsonTest {
  const tests = conditions.map((one) => atPointer(one.pointer, compileTests(one)));
  return (value) => {
    if (!Array.isArray(value)) return false;
    const elements: readonly unknown[] =
      value.length > ELEMENTS_MAX ? value.slice(0, ELEMENTS_MAX) : value;
    return elements.some((element) => holdsAll(tests, element));
  };
}

function atPointer(pointer: string, tests: readonly JsonTest[]): JsonTest {
  const tokens = splitPointer(pointer);
  return (json) => holdsAll(tests, valueAt(json, tokens));
}

function compileTests(condition: ElementCondition): JsonTest[] {
  const fold = condition.ignore_case ? foldCase : keepCase;
  const tests: JsonTest[] = [];
  const { eq, in: oneOf, not_eq: not, not_in: noneOf, exists, empty, contains } = condition;
  if (eq !== undefined) tests.push(equals(fold(eq), fold));
  if (oneOf !== undefined) tests.push(isAmong(oneOf.map(fold), fold));
  if (not !== undefined) tests.push(isPresent, negation(equals(fold(not), fold)));
  if (noneOf !== undefined) tests.push(isPresent, negation(isAmong(noneOf.map(fold), fold)));
  if (exists !== undefined) tests.push((value) => isPresent(value) === exists);
  if (empty !== undefined) tests.push((value) => hasContent(value) !== empty);
  if (contains !== undefined) tests.push(holdsText(contains, condition.ignore_case));
  return tests;
}

type Fold = (value: unknown) => unknown;

function equals(wanted: unknown, fold: Fold): JsonTest {
  return (value) => fold(value) === wanted;
}

function isAmong(wanted: readonly unknown[], fold: Fold): JsonTest {
  const values = new Set(wanted);
  return (value) => values.has(fold(value));
}

/** Texts are searched this far, so that no answer can keep all other polls waiting. */
const SEARCHED_CHARACTERS_MAX = 10_000;

function holdsText(part: string, ignoreCase: boolean): JsonTest {
  const wanted = ignoreCase ? part.toLowerCase() : part;
  return (value) => {
    if (typeof value !== "string") return false;
    const text = value.slice(0, SEARCHED_CHARACTERS_MAX);
    return (ignoreCase ? text.toLowerCase() : text).includes(wanted);
  };
}

function negation(test: JsonTest): JsonTest {
  return (value) => !test(value);
}

function keepCase(value: unknown): unknown {
  return value;
}

/** What a longer text folds to is longer than any that a definition can name. */
const FOLDED_CHARACTERS_MAX = 1500;

function foldCase(value: unknown): unknown {
  const isShort = typeof value === "string" && value.length <= FOLDED_CHARACTERS_MAX;
  return isShort ? value.toLowerCase() : value;
}
