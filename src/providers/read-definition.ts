import { z } from "zod";
import { invalidPointers } from "../runtime/invalid-places.ts";
import { providerDefinitionSchema } from "./definition.ts";
import { isObject } from "./json-pointer.ts";
import { compileProvider, type Provider } from "./provider.ts";

/** A place in a definition that can't work, and what would be valid there. */
export interface DefinitionProblem {
  /** A JSON Pointer; the empty text for the definition as a whole. */
  readonly pointer: string;
  readonly detail: string;
}

export type DefinitionReading =
  | { readonly ok: true; readonly provider: Provider }
  | { readonly ok: false; readonly problems: readonly DefinitionProblem[] };

const DEPTH_MAX = 40;
const VALUES_MAX = 20_000;
const PROBLEMS_MAX = 50;

/**
 * Reads a definition, wherever it came from: the API, a file, the catalogue. Never throws.
 * @param json what `JSON.parse` gave
 */
export function readDefinition(json: unknown): DefinitionReading {
  const problem = sizeProblem(json);
  if (problem !== null) return { ok: false, problems: [{ pointer: "", detail: problem }] };
  const parsed = providerDefinitionSchema.safeParse(json);
  if (parsed.success) return { ok: true, provider: compileProvider(parsed.data) };
  return { ok: false, problems: invalidPointers(parsed.error.issues).slice(0, PROBLEMS_MAX) };
}

/** The JSON Schema (2020-12) of a definition as it is written down. */
export function definitionJsonSchema(): object {
  return z.toJSONSchema(providerDefinitionSchema, { io: "input" });
}

/** Before anything that walks through it by recursion sees it. */
function sizeProblem(json: unknown): string | null {
  let level = [json];
  let values = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    values += level.length;
    if (depth > DEPTH_MAX) return `A definition is nested at most ${DEPTH_MAX} levels deep.`;
    if (values > VALUES_MAX) return `A definition has at most ${VALUES_MAX} values.`;
    level = level.flatMap((value) => (isObject(value) ? Object.values(value) : []));
  }
  return null;
}
