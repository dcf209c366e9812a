import type { ProviderDefinition } from "../definition/definition.ts";
import { compileJsonTemplate } from "../language/json-template.ts";
import type { RequestDefinition } from "../definition/request.ts";
import {
  encodeQueryValue,
  readPathTemplate,
  readTemplate,
  type Slot,
  type Template,
  type TemplateReading,
} from "../language/template.ts";

/** A request of a definition with its templates split. */
export interface CompiledRequest {
  readonly method: RequestDefinition["method"];
  /** Null when a whole URL takes its place. */
  readonly path: Template | null;
  /** The param that holds the URL. */
  readonly urlParam: string | null;
  /** Without the leading `?`; null when the definition has none. */
  readonly query: Template | null;
  /** Parts of the query that are left out when a param has no value. */
  readonly optionalQuery: readonly Template[];
  /** Headers that are the same for all jobs, including the body's `content-type`. */
  readonly fixedHeaders: Readonly<Record<string, string>>;
  readonly filledHeaders: readonly (readonly [name: string, value: Template])[];
  readonly body: CompiledBody | null;
  readonly accept: string;
  /** False for links that carry a credential of their own. */
  readonly sendsCredential: boolean;
  /** Hosts that only a request without the credential may go to. */
  readonly hosts: readonly string[];
  /** The params that it is built from. */
  readonly paramNames: readonly string[];
  /** The places in the previous response that it is built from. */
  readonly answerPointers: readonly string[];
}

interface CompiledBody {
  readonly kind: "json" | "form";
  readonly template: Template;
}

const CONTENT_TYPES = {
  json: "application/json",
  form: "application/x-www-form-urlencoded",
} as const;

/** A definition's params, by name. */
type ParamDefinitions = ProviderDefinition["params"];

/** @param request output of the schema of definitions */
export function compileRequest(
  request: RequestDefinition,
  { params, accept }: { readonly params: ParamDefinitions; readonly accept: string },
): CompiledRequest {
  const read = new TemplateReader("credential" in request, params);
  const path = request.path === undefined ? null : read.path(request.path);
  const [sometimes, always] = partition(request.query, (source) => read.isOptional(source));
  const query = read.pairs(always);
  const optionalQuery = sometimes.flatMap((pair) => read.pairs([pair]) ?? []);
  const headers = Object.entries(request.headers).map(
    ([name, source]) => [name, read.text(source)] as const,
  );
  const filledHeaders = headers.filter(([, { slots }]) => slots.length > 0);
  const body = compileBody(request.body, read);
  const urlParam = "url_param" in request ? (request.url_param ?? null) : null;
  const templates = [
    path,
    query,
    ...optionalQuery,
    ...filledHeaders.map(([, value]) => value),
    body?.template,
  ];
  const slots = templates.flatMap((template) => template?.slots ?? []);
  const named = (from: Slot["from"]): string[] =>
    slots.filter((slot) => slot.from === from).map((slot) => slot.name);
  return Object.freeze({
    method: request.method,
    path,
    urlParam,
    query,
    optionalQuery,
    fixedHeaders: Object.freeze({
      ...(body !== null && { "content-type": CONTENT_TYPES[body.kind] }),
      ...Object.fromEntries(
        headers
          .filter(([, { slots: own }]) => own.length === 0)
          .map(([name, { literals }]) => [name, literals[0] ?? ""]),
      ),
    }),
    filledHeaders,
    body,
    accept,
    sendsCredential: "credential" in request ? request.credential : true,
    hosts: "hosts" in request ? (request.hosts ?? []) : [],
    paramNames: [...new Set([...(urlParam === null ? [] : [urlParam]), ...named("param")])],
    answerPointers: [...new Set(named("answer"))],
  });
}

function compileBody(body: RequestDefinition["body"], read: TemplateReader): CompiledBody | null {
  switch (body?.kind) {
    case undefined:
      return null;
    case "json":
      return { kind: "json", template: read.json(body.value) };
    case "form":
      return {
        kind: "form",
        template: read.pairs(Object.entries(body.fields)) ?? { literals: [""], slots: [] },
      };
  }
}

/** Splits the templates of one request and gives their params their defaults. */
class TemplateReader {
  readonly #hasAnswer: boolean;
  readonly #params: ParamDefinitions;

  constructor(hasAnswer: boolean, params: ParamDefinitions) {
    this.#hasAnswer = hasAnswer;
    this.#params = params;
  }

  /** True when it uses a param that may have no value. */
  isOptional(source: string): boolean {
    return this.text(source).slots.some((slot) => this.#definitionOf(slot)?.optional === true);
  }

  path(source: string): Template {
    return this.#split(readPathTemplate(source, this.#hasAnswer));
  }

  text(source: string): Template {
    return this.#split(readTemplate(source, { hasAnswer: this.#hasAnswer, isPath: false }));
  }

  json(value: unknown): Template {
    return this.#withDefaults(compileJsonTemplate(value, this.#hasAnswer));
  }

  /** Joins `name=template` pairs into one template whose literals are already encoded. */
  pairs(of: readonly Pair[]): Template | null {
    const literals = [""];
    const slots: Slot[] = [];
    for (const [name, source] of of) {
      const value = this.text(source);
      const [first = "", ...rest] = value.literals.map(encodeQueryValue);
      const separator = literals.length > 1 || literals[0] !== "" ? "&" : "";
      const pair = `${separator}${encodeQueryValue(name)}=${first}`;
      literals.push((literals.pop() ?? "") + pair, ...rest);
      slots.push(...value.slots);
    }
    return literals[0] === "" ? null : { literals, slots };
  }

  #split(reading: TemplateReading): Template {
    switch (reading.kind) {
      case "template":
        return this.#withDefaults(reading.template);
      case "malformed":
        throw new Error(`A definition that was never validated: ${reading.problem}`);
    }
  }

  #withDefaults({ literals, slots }: Template): Template {
    const fallbackOf = (slot: Slot): string => this.#definitionOf(slot)?.default ?? slot.fallback;
    return { literals, slots: slots.map((slot) => ({ ...slot, fallback: fallbackOf(slot) })) };
  }

  #definitionOf({ from, name }: Slot): ParamDefinitions[string] | undefined {
    return from === "param" && Object.hasOwn(this.#params, name) ? this.#params[name] : undefined;
  }
}

type Pair = readonly [name: string, source: string];

function partition(
  of: Readonly<Record<string, string>>,
  isFirst: (source: string) => boolean,
): readonly [readonly Pair[], readonly Pair[]] {
  const pairs = Object.entries(of);
  return [pairs.filter(([, one]) => isFirst(one)), pairs.filter(([, one]) => !isFirst(one))];
}
