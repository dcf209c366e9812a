import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { default as addFormats } from "ajv-formats";

/* Checks what the API answers, and what it sends, against the OpenAPI document that it serves. */

// oxlint-disable-next-line typescript/no-explicit-any -- JSON that tests look into
type Json = any;

const DOCUMENT = "openapi";
const PROBLEM_TYPE = "application/problem+json";

/** An answer, as far as it is described. */
interface AnswerHead {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
}

interface Operation {
  readonly template: string;
  readonly pattern: RegExp;
  readonly method: string;
  readonly responses: Readonly<Record<string, Json>>;
  readonly security: readonly object[];
}

export class DescribedAnswers {
  readonly #document: Json;
  readonly #operations: readonly Operation[];
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<string, ValidateFunction>();

  /** @param document as served at /openapi.json */
  constructor(document: object) {
    this.#document = closed(document);
    this.#operations = operationsOf(this.#document);
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, formats: { binary: true } });
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(this.#document, DOCUMENT);
  }

  /** Throws unless the answer is described. Reads its body only if a schema says something about it. */
  async check(head: AnswerHead, readBody: () => Promise<string>): Promise<void> {
    const operation = this.#find(head);
    const name = `${head.method} ${head.path} (${head.status})`;
    const problems = headerProblems(head, operation);
    const pointer = this.#pointerOf(head, operation);
    if (pointer === null) problems.push("its status or content type is not described");
    else if (pointer !== "" && head.method !== "HEAD") {
      problems.push(...this.#bodyProblems(pointer, JSON.parse(await readBody())));
    }
    if (problems.length > 0) {
      throw new Error(`${name} is not as /openapi.json describes it: ${problems.join("; ")}`);
    }
  }

  /** Throws unless the body is that of a described webhook. */
  checkEvent(body: Json): void {
    const pointer = pointerTo("webhooks", body.type, "post", "requestBody", "content", JSON_TYPE);
    if (this.#document.webhooks[body.type] === undefined) {
      throw new Error(`The event ${body.type} is not described by /openapi.json.`);
    }
    const problems = this.#bodyProblems(pointer, body);
    if (problems.length > 0) {
      throw new Error(`${body.type} is not as /openapi.json describes it: ${problems.join("; ")}`);
    }
  }

  #find({ method, path }: AnswerHead): Operation | null {
    const asked = method === "HEAD" ? "get" : method.toLowerCase();
    const matching = this.#operations.filter(
      (operation) => operation.method === asked && operation.pattern.test(path),
    );
    // A fixed path comes before one with a parameter.
    return (
      matching.toSorted((a, b) => a.template.split("{").length - b.template.split("{").length)[0] ??
      null
    );
  }

  /** Where the schema of the body is; empty when there is none to check, null when there should be. */
  #pointerOf({ status, headers }: AnswerHead, operation: Operation | null): string | null {
    const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
    if (operation === null) {
      if (type !== PROBLEM_TYPE) return "";
      return pointerTo("components", "schemas", "Problem");
    }
    const { template, method, responses } = operation;
    const key = [String(status), `${String(status)[0]}XX`, "default"].find(
      (one) => one in responses,
    );
    const isSuccessElsewhere = key === "default" && status < 400;
    const response = key === undefined ? undefined : responses[key];
    if (key === undefined || response === undefined || isSuccessElsewhere) return null;
    if (response.content === undefined) return "";
    const media = [type, "*/*"].find((one) => one in response.content);
    if (media === undefined) return null;
    const { schema } = response.content[media];
    if (!media.endsWith("json") || isAnything(schema)) return "";
    return pointerTo("paths", template, method, "responses", key, "content", media);
  }

  #bodyProblems(pointer: string, body: unknown): string[] {
    const known = this.#validators.get(pointer);
    const $ref = `${DOCUMENT}#${pointer}${pointer.startsWith("/components") ? "" : "/schema"}`;
    const validate = known ?? this.#ajv.compile({ $ref });
    this.#validators.set(pointer, validate);
    if (validate(body)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }
}

const JSON_TYPE = "application/json";

/** Breaches of the rules for the headers of every answer. */
function headerProblems({ status, headers }: AnswerHead, operation: Operation | null): string[] {
  const isOfApi = operation !== null || headers.get("content-type") === PROBLEM_TYPE;
  const required = [
    ...(isOfApi ? ["x-request-id"] : []),
    ...(status === 429 ? ["retry-after", "ratelimit"] : []),
    ...(status === 503 && operation !== null ? ["retry-after"] : []),
    ...(status === 401 ? ["www-authenticate"] : []),
    ...(status < 300 && operation !== null && needsKey(operation) ? ["ratelimit"] : []),
  ];
  return required.filter((name) => !headers.has(name)).map((name) => `it has no ${name}`);
}

function needsKey({ security }: Operation): boolean {
  return security.length === 1;
}

function operationsOf(document: Json): Operation[] {
  // Requests to `/via` are answered by the upstream.
  const own = Object.entries<Json>(document.paths).filter(([path]) => !path.startsWith("/via/"));
  return own.flatMap(([template, item]) =>
    Object.entries<Json>(item).map(([method, { responses, security = document.security }]) => ({
      template,
      method,
      responses,
      security,
      pattern: new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]*")}$`),
    })),
  );
}

function pointerTo(...steps: string[]): string {
  return steps
    .map((step) => `/${encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))}`)
    .join("");
}

/** A schema without any rule. */
function isAnything(schema: Json): boolean {
  return Object.keys(schema).every((key) => ["description", "example"].includes(key));
}

/**
 * The document with every object closed that only has described fields: clients have to accept others, but
 * none may be answered that is not described.
 */
function closed(document: Json): Json {
  const { schemas } = document.components;
  const walk = (node: Json): Json => {
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node !== "object" || node === null) return node;
    const entries = Object.entries(node).map(([key, value]) => [
      key,
      key === "schema" ? close(value, schemas, false) : key === "example" ? value : walk(value),
    ]);
    return Object.fromEntries(entries);
  };
  const components = Object.entries(schemas).map(([name, schema]) => [
    name,
    close(schema, schemas, true),
  ]);
  const { components: others, ...rest } = document;
  return { ...walk(rest), components: { ...others, schemas: Object.fromEntries(components) } };
}

/** @param isPart of something that is closed as a whole */
function close(schema: Json, schemas: Json, isPart: boolean): Json {
  const use = (one: Json): Json => close(one, schemas, false);
  const changed: Json = { ...schema };
  if (schema.properties !== undefined) {
    changed.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, one]) => [name, use(one)]),
    );
  }
  for (const key of ["items", "additionalProperties"]) {
    if (typeof schema[key] === "object") changed[key] = use(schema[key]);
  }
  for (const key of ["oneOf", "anyOf"]) {
    if (schema[key] !== undefined) changed[key] = schema[key].map(use);
  }
  if (schema.allOf !== undefined) {
    changed.allOf = schema.allOf.map((one: Json) => close(one, schemas, true));
  }
  if (!isPart && describesFields(schema, schemas)) changed.unevaluatedProperties = false;
  return changed;
}

function describesFields(schema: Json, schemas: Json): boolean {
  if (schema.$ref !== undefined) {
    return describesFields(schemas[schema.$ref.split("/").at(-1)], schemas);
  }
  if (schema.allOf !== undefined) return true;
  return schema.properties !== undefined && schema.additionalProperties === undefined;
}
