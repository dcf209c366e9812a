import type { IssueSink } from "./fields.ts";
import { jsonTemplateSlots } from "../language/json-template.ts";
import type { RequestDefinition } from "./request.ts";
import type { ResultDefinition } from "./result.ts";
import { readTemplate, type Slot } from "../language/template.ts";

interface DefinitionWithParams {
  readonly params: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly status: RequestDefinition;
  readonly cancel?: RequestDefinition | undefined;
  readonly result: ResultDefinition;
}

/** Each is filled in whenever the request is made. */
const PLACEHOLDERS_MAX = 200;

/**
 * A param that is explained but not used by any request is misspelled, and nothing else would show
 * it. Optional params can't be used where a value is required.
 */
export function checkParams(definition: DefinitionWithParams, context: IssueSink): void {
  const requests = requestsOf(definition);
  for (const request of requests) checkPlaceholders(request, pathOf(request, definition), context);
  const needed = new Set(requests.flatMap(paramsOutsideQuery));
  const used = new Set([...needed, ...requests.flatMap(paramsInQuery)]);
  for (const [name, { optional }] of Object.entries(definition.params)) {
    const path = ["params", name];
    if (!used.has(name)) {
      const known = [...used].join(", ") || "none";
      const message = `No request uses this param; the requests use: ${known}.`;
      context.addIssue({ code: "custom", message, path });
    } else if (optional && needed.has(name)) {
      const message = "An optional param may be used in a query only; give it a default.";
      context.addIssue({ code: "custom", message, path: [...path, "optional"] });
    }
  }
}

function pathOf(request: RequestDefinition, { status, cancel }: DefinitionWithParams): string[] {
  if (request === status) return ["status"];
  return request === cancel ? ["cancel"] : ["result", "request"];
}

function checkPlaceholders(request: RequestDefinition, at: string[], context: IssueSink): void {
  const { path, headers, body } = request;
  const sources = [path ?? "", ...Object.values(headers), ...Object.values(request.query)];
  const inForm = body?.kind === "form" ? Object.values(body.fields) : [];
  const inJson = body?.kind === "json" ? jsonTemplateSlots(body.value).length : 0;
  const count = inJson + [...sources, ...inForm].flatMap(slotsOf).length;
  if (count <= PLACEHOLDERS_MAX) return;
  const message = `A request has at most ${PLACEHOLDERS_MAX} placeholders, and this one has ${count}.`;
  context.addIssue({ code: "custom", message, path: at });
}

function requestsOf({ status, cancel, result }: DefinitionWithParams): RequestDefinition[] {
  const requests = [status, cancel, result.kind === "request" ? result.request : undefined];
  return requests.filter((request) => request !== undefined);
}

function paramsInQuery(request: RequestDefinition): readonly string[] {
  return namesOf(Object.values(request.query).flatMap(slotsOf));
}

function paramsOutsideQuery(request: RequestDefinition): readonly string[] {
  const { path, headers, body } = request;
  const sources = [
    path ?? "",
    ...Object.values(headers),
    ...(body?.kind === "form" ? Object.values(body.fields) : []),
  ];
  const inBody = body?.kind === "json" ? jsonTemplateSlots(body.value) : [];
  const url = "url_param" in request && request.url_param !== undefined ? [request.url_param] : [];
  return [...url, ...namesOf([...sources.flatMap(slotsOf), ...inBody])];
}

function namesOf(slots: readonly Slot[]): readonly string[] {
  return slots.filter((slot) => slot.from === "param").map((slot) => slot.name);
}

function slotsOf(source: string): readonly Slot[] {
  const reading = readTemplate(source, { hasAnswer: true, isPath: true });
  return reading.kind === "template" ? reading.template.slots : [];
}
