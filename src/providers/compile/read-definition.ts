import { z } from "zod";
import { invalidPointers, jsonPointer } from "../../runtime/settings/invalid-places.ts";
import { providerDefinitionSchema } from "../definition/definition.ts";
import { isObject } from "../language/json-pointer.ts";
import { compileProvider, type Provider } from "./provider.ts";

/** An unusable place in a definition, and what would be valid there. */
export interface DefinitionProblem {
  /** A JSON Pointer; empty for the definition as a whole. */
  readonly pointer: string;
  readonly detail: string;
}

type DefinitionReading =
  | { readonly ok: true; readonly provider: Provider }
  | { readonly ok: false; readonly problems: readonly DefinitionProblem[] };

const DEPTH_MAX = 40;
const VALUES_MAX = 20_000;
const PROBLEMS_MAX = 50;

/**
 * Reads a definition from any source: the API, a file, the catalogue. Never throws.
 * @param json output of `JSON.parse`
 */
export function readDefinition(json: unknown): DefinitionReading {
  const problem = structureProblem(json);
  if (problem !== null) return { ok: false, problems: [problem] };
  const parsed = providerDefinitionSchema.safeParse(json);
  if (parsed.success) return { ok: true, provider: compileProvider(parsed.data) };
  return { ok: false, problems: invalidPointers(parsed.error.issues).slice(0, PROBLEMS_MAX) };
}

/** The JSON Schema (2020-12) of a definition as it is written. */
export function definitionJsonSchema(): object {
  return z.toJSONSchema(providerDefinitionSchema, { io: "input" });
}

/** Checked before any recursive code sees the definition. */
function structureProblem(json: unknown): DefinitionProblem | null {
  let level: readonly Place[] = [{ path: [], value: json }];
  let values = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    values += level.length;
    if (depth > DEPTH_MAX) return whole(`A definition is nested at most ${DEPTH_MAX} levels deep.`);
    if (values > VALUES_MAX) return whole(`A definition has at most ${VALUES_MAX} values.`);
    level = level.flatMap(placesIn);
    // Objects built from such a name would silently lose it.
    const stray = level.find(({ path }) => path.at(-1) === "__proto__");
    if (stray !== undefined) {
      return { pointer: jsonPointer(stray.path), detail: "This name can't be used; remove it." };
    }
  }
  return null;
}

interface Place {
  readonly path: readonly string[];
  readonly value: unknown;
}

function placesIn({ path, value }: Place): readonly Place[] {
  if (!isObject(value)) return [];
  return Object.entries(value).map(([name, inner]) => ({ path: [...path, name], value: inner }));
}

function whole(detail: string): DefinitionProblem {
  return { pointer: "", detail };
}
