import type { IssueSink } from "./definition-fields.ts";
import { jsonTemplateSlots } from "./json-template.ts";
import type { RequestDefinition } from "./request-definition.ts";
import type { ResultDefinition } from "./result-definition.ts";
import { readTemplate, type Slot } from "./template.ts";

interface DefinitionWithParams {
  readonly params: Readonly<Record<string, unknown>>;
  readonly status: RequestDefinition;
  readonly cancel?: RequestDefinition | undefined;
  readonly result: ResultDefinition;
}

/** Params that are explained but that no request uses are misspelt, and nothing would tell. */
export function checkParams(definition: DefinitionWithParams, context: IssueSink): void {
  const used = paramsUsed(definition);
  for (const name of Object.keys(definition.params)) {
    if (used.has(name)) continue;
    const known = [...used].join(", ") || "none";
    context.addIssue({
      code: "custom",
      message: `No request uses this param; the requests use: ${known}.`,
      path: ["params", name],
    });
  }
}

function paramsUsed({ status, cancel, result }: DefinitionWithParams): ReadonlySet<string> {
  const requests = [status, cancel, result.kind === "request" ? result.request : undefined];
  return new Set(requests.flatMap((request) => (request === undefined ? [] : paramsOf(request))));
}

function paramsOf(request: RequestDefinition): readonly string[] {
  const slots = [
    request.path,
    ...Object.values(request.query),
    ...Object.values(request.headers),
    ...(request.body?.kind === "form" ? Object.values(request.body.fields) : []),
  ].flatMap(slotsOf);
  const inBody = request.body?.kind === "json" ? jsonTemplateSlots(request.body.value) : [];
  const url = "url_param" in request && request.url_param !== undefined ? [request.url_param] : [];
  const params = [...slots, ...inBody].filter((slot) => slot.from === "param");
  return [...url, ...params.map((slot) => slot.name)];
}

function slotsOf(source: string | undefined): readonly Slot[] {
  if (source === undefined) return [];
  const reading = readTemplate(source, { hasAnswer: true, isPath: true });
  return reading.kind === "template" ? reading.template.slots : [];
}
