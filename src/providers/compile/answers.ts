import type { AbsenceLimits } from "../../core/job/absence.ts";
import {
  type CompiledRule,
  compileConditions,
  compileRules,
  wordPlaces,
  type JsonTest,
  wordsNamed,
} from "./rules.ts";
import type { ProviderDefinition } from "../definition/definition.ts";
import { type PointerTokens, splitPointer } from "../language/json-pointer.ts";

/** Places to look for one value; the first that holds one wins. */
export type Places = readonly PointerTokens[];

/** One value composed of several places, by name. */
type NamedPlaces = readonly (readonly [name: string, tokens: PointerTokens])[];

/** A number at a place or in a header that asks for a wait. */
export type PollHint = HeaderOrPlace & { readonly unit: "ms" | "s" };

/** A header or a place in a response; one of them is null. */
export interface HeaderOrPlace {
  readonly header: string | null;
  readonly tokens: PointerTokens | null;
}

/** Where the part of a response is that is about the job. */
export interface JobPlace {
  readonly tokens: PointerTokens;
  /** In each element of a list; null where the jobs are members of an object, by id. */
  readonly id: PointerTokens | null;
  readonly missing: "not_found" | "running";
}

/** How status responses are read, for `interpretAnswer`. */
export interface CompiledAnswers {
  readonly format: "json" | "text";
  readonly jobAt: JobPlace | null;
  readonly rules: readonly CompiledRule[];
  /** The status words that the rules name, folded. */
  readonly knownWords: ReadonlySet<unknown>;
  readonly status: Places;
  readonly progress: Places;
  /** Instead of `progress`; null unless the definition composes it. */
  readonly progressParts: NamedPlaces | null;
  readonly error: Places;
  readonly createdAt: Places;
  readonly updatedAt: Places;
  readonly pollHints: readonly PollHint[];
  readonly rateLimitResetHeaders: readonly string[];
  /** The longest wait in a response that is believed. */
  readonly waitMsMax: number;
  readonly nextUrl: HeaderOrPlace | null;
  readonly result: CompiledResult;
}

export type CompiledResult =
  /** In the status response itself, whether it is a link or not. */
  | { readonly kind: "in_answer"; readonly at: Places }
  | {
      readonly kind: "request";
      /** Where the status response holds the URL; null when the request has a path. */
      readonly urlAt: readonly HeaderOrPlace[] | null;
      /** Conditions on the status response for making the request. */
      readonly onlyIf: readonly JsonTest[];
      /** Values that the request takes from the status response. */
      readonly values: readonly { readonly pointer: string; readonly tokens: PointerTokens }[];
      /**
       * Where the result is in the status response when the request is not made or its response is
       * too large.
       */
      readonly otherwise: Places;
      /** How the second response is read. */
      readonly answers: ResultAnswers;
    };

export interface ResultAnswers {
  readonly rules: readonly CompiledRule[];
  readonly otherwiseOn: readonly number[];
  /** When a result that is not there counts as gone. */
  readonly goneAfter: AbsenceLimits;
  readonly format: "json" | "text";
  readonly at: Places;
  readonly error: Places;
}

export function compileAnswers(
  definition: ProviderDefinition,
  answerPointers: readonly string[],
): CompiledAnswers {
  const { extract, status } = definition;
  const { progress } = extract;
  // A text is one string, at the pointer "".
  const statusAt =
    status.format === "text" ? extract.status.filter((one) => one === "") : extract.status;
  return Object.freeze({
    format: status.format,
    jobAt: compileJobPlace(status.job_at),
    rules: compileRules(definition.rules, statusAt, wordPlaces(definition.rules, statusAt)),
    knownWords: wordsNamed(definition.rules, statusAt),
    status: split(statusAt),
    progress: Array.isArray(progress) ? split(progress) : [],
    progressParts: Array.isArray(progress)
      ? null
      : Object.entries(progress).map(([name, at]) => [name, splitPointer(at)] as const),
    error: split(extract.error),
    createdAt: split(extract.created_at),
    updatedAt: split(extract.updated_at),
    pollHints: definition.poll_hints.map((hint) => ({ unit: hint.unit, ...placeOf(hint) })),
    rateLimitResetHeaders: definition.rate_limit_reset_headers,
    waitMsMax: Math.round(definition.asked_wait_s_max * 1000),
    nextUrl: status.next_url === undefined ? null : placeOf(status.next_url),
    result: compileResult(definition, answerPointers),
  });
}

function compileResult(
  { result, extract }: ProviderDefinition,
  answerPointers: readonly string[],
): CompiledResult {
  switch (result.kind) {
    case "inline":
    case "pointer":
      return { kind: "in_answer", at: split(result.at) };
    case "request":
      return {
        kind: "request",
        urlAt:
          result.request.url_at?.map((at) =>
            placeOf(typeof at === "string" ? { pointer: at } : at),
          ) ?? null,
        onlyIf: compileConditions(result.only_if),
        values: answerPointers.map((pointer) => ({ pointer, tokens: splitPointer(pointer) })),
        otherwise: split(result.otherwise),
        answers: {
          rules: compileRules(result.rules, [], wordPlaces(result.rules, [])),
          otherwiseOn: result.otherwise_on,
          goneAfter: absenceLimits(result.gone_after),
          format: result.format,
          at: split(result.at),
          error: split(result.error ?? extract.error),
        },
      };
  }
}

function compileJobPlace(at: ProviderDefinition["status"]["job_at"]): JobPlace | null {
  if (at === undefined) return null;
  const id = at.id === undefined ? null : splitPointer(at.id);
  return Object.freeze({ tokens: splitPointer(at.pointer), id, missing: at.missing });
}

export function absenceLimits(of: ProviderDefinition["gone_after"]): AbsenceLimits {
  return Object.freeze({ answers: of.answers, overMs: Math.round(of.over_s * 1000) });
}

function placeOf(place: {
  readonly header?: string | undefined;
  readonly pointer?: string | undefined;
}): HeaderOrPlace {
  return {
    header: place.header ?? null,
    tokens: place.pointer === undefined ? null : splitPointer(place.pointer),
  };
}

function split(pointers: readonly string[]): Places {
  return pointers.map(splitPointer);
}
