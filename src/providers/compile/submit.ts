import type { SubmissionDefinition, SubmissionSource } from "../definition/submit.ts";
import { type PointerTokens, splitPointer } from "../language/json-pointer.ts";
import { compilePathPattern, type PathMatcher } from "../language/path-pattern.ts";
import { type CompiledRule, compileHeaderTest, compileRules } from "./rules.ts";
import type { HeaderValues } from "../../core/job/retry-after.ts";

/** Where one text of a submission is. */
export interface CompiledSource {
  readonly from:
    | { readonly kind: "answer"; readonly at: PointerTokens }
    | { readonly kind: "header"; readonly name: string }
    | { readonly kind: "path"; readonly name: string }
    | { readonly kind: "value"; readonly text: string };
  readonly isLastSegment: boolean;
}

/** A kind of request that submits a job. */
export interface CompiledSubmission {
  readonly methods: ReadonlySet<string>;
  /** For people and logs. */
  readonly pattern: string;
  readonly matchPath: PathMatcher;
  readonly requestTests: readonly ((headers: HeaderValues) => boolean)[];
  /** Fields of the body that say where the callback goes, each by the keys that lead to it. */
  readonly callbackFields: readonly PointerTokens[];
  /** Matches the responses that mean that a job exists. */
  readonly when: readonly CompiledRule[];
  readonly jobId: readonly CompiledSource[];
  readonly params: readonly (readonly [name: string, sources: readonly CompiledSource[]])[];
}

export function compileSubmission(of: SubmissionDefinition): CompiledSubmission {
  const { http_status, headers, all } = of.when;
  return Object.freeze({
    methods: new Set([of.method].flat()),
    pattern: of.path,
    matchPath: compilePathPattern(of.path),
    requestTests: of.request_headers.map(compileHeaderTest),
    callbackFields: of.callback_from.map((field) =>
      field.startsWith("/") ? splitPointer(field) : [field],
    ),
    when: compileRules([{ http_status, headers, all, observe: "running" }]),
    jobId: compileSources(of.job_id),
    params: Object.entries(of.params).map(([name, one]) => [name, compileSources(one)] as const),
  });
}

function compileSources(
  of: SubmissionSource | readonly SubmissionSource[],
): readonly CompiledSource[] {
  const list: readonly SubmissionSource[] = Array.isArray(of) ? of : [of];
  return list.map((one) => ({ from: placeOf(one), isLastSegment: one.last_segment }));
}

function placeOf({ pointer, header, path, value = "" }: SubmissionSource): CompiledSource["from"] {
  if (pointer !== undefined) return { kind: "answer", at: splitPointer(pointer) };
  if (header !== undefined) return { kind: "header", name: header };
  if (path !== undefined) return { kind: "path", name: path };
  return { kind: "value", text: value };
}
