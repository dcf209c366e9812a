import type { RequestDefinition } from "./definition.ts";
import {
  encodeQueryValue,
  readPathTemplate,
  readTemplate,
  type Template,
  type TemplateReading,
} from "./path-template.ts";

/** A request of a definition with its templates split. */
export interface CompiledRequest {
  readonly method: RequestDefinition["method"];
  readonly path: Template;
  /** Without the leading `?`; null when the definition has none. */
  readonly query: Template | null;
  readonly paramNames: readonly string[];
}

export function compileRequest(request: RequestDefinition): CompiledRequest {
  const path = split(readPathTemplate(request.path));
  const query = compileQuery(request.query);
  const slots = [...path.slots, ...(query?.slots ?? [])];
  return Object.freeze({
    method: request.method,
    path,
    query,
    paramNames: [...new Set(slots.filter((slot) => slot !== null))],
  });
}

/** Joins `name=template` pairs into one template whose literals are encoded already. */
function compileQuery(query: RequestDefinition["query"]): Template | null {
  const literals = [""];
  const slots: (string | null)[] = [];
  for (const [name, source] of Object.entries(query)) {
    const value = split(readTemplate(source));
    const [first = "", ...rest] = value.literals.map(encodeQueryValue);
    const separator = literals.length > 1 || literals[0] !== "" ? "&" : "";
    literals.push(`${literals.pop() ?? ""}${separator}${encodeQueryValue(name)}=${first}`, ...rest);
    slots.push(...value.slots);
  }
  return literals[0] === "" ? null : { literals, slots };
}

function split(reading: TemplateReading): Template {
  switch (reading.kind) {
    case "template":
      return reading.template;
    case "malformed":
      throw new Error(`A definition that was never validated: ${reading.problem}`);
  }
}
