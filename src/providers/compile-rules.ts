import type { ProviderCondition, ProviderRule } from "./definition.ts";
import { isPresent, type PointerTokens, splitPointer, valueAt } from "./json-pointer.ts";

/** What a rule says about an answer it matches. */
export type RuleVerdict =
  | { readonly observe: "running"; readonly phase: "pending" | "processing" }
  | { readonly observe: Exclude<ProviderRule["observe"], "running"> };

/** A rule as a function of the answer; `json` is undefined for a body that is not JSON. */
interface CompiledRule {
  readonly matches: (status: number, json: unknown) => boolean;
  readonly verdict: RuleVerdict;
}

/** Compiles ordered rules into one function that gives the first match's verdict, or null. */
export function compileRules(
  rules: readonly ProviderRule[],
): (status: number, json: unknown) => RuleVerdict | null {
  const compiled = rules.map(compileRule);
  return (status, json) => {
    for (const rule of compiled) if (rule.matches(status, json)) return rule.verdict;
    return null;
  };
}

function compileRule(rule: ProviderRule): CompiledRule {
  const hasStatus = compileStatus(rule.http_status);
  const conditions = rule.all.map(compileCondition);
  return {
    verdict: compileVerdict(rule),
    matches: (status, json) =>
      hasStatus(status) && conditions.every((condition) => condition(json)),
  };
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

function compileCondition(condition: ProviderCondition): (json: unknown) => boolean {
  const tokens = splitPointer(condition.pointer);
  const tests = compileTests(condition);
  return (json) => holdsAt(json, tokens, tests);
}

type ValueTest = (value: unknown) => boolean;

function holdsAt(json: unknown, tokens: PointerTokens, tests: readonly ValueTest[]): boolean {
  const value = valueAt(json, tokens);
  return tests.every((test) => test(value));
}

function compileTests(condition: ProviderCondition): readonly ValueTest[] {
  const fold = condition.ignore_case ? foldCase : keepCase;
  const tests: ValueTest[] = [];
  if (condition.eq !== undefined) {
    const wanted = fold(condition.eq);
    tests.push((value) => fold(value) === wanted);
  }
  if (condition.in !== undefined) {
    const wanted: ReadonlySet<unknown> = new Set(condition.in.map(fold));
    tests.push((value) => wanted.has(fold(value)));
  }
  if (condition.exists !== undefined) {
    const wanted = condition.exists;
    tests.push((value) => isPresent(value) === wanted);
  }
  return tests;
}

function keepCase(value: unknown): unknown {
  return value;
}

function foldCase(value: unknown): unknown {
  return typeof value === "string" ? value.toLowerCase() : value;
}
