import type { OpenAPIHono } from "@hono/zod-openapi";
import { exampleOf, type Schema, type Schemas } from "./example.ts";

export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

/* Completes every schema of the document, so that routes need not. */

/**
 * Moves defaults into descriptions: where a schema has a default, generators make the field
 * required, or send it unasked. Every JSON body gets an example, composed from those of its fields.
 */
export function completeDocument(document: OpenApiDocument): OpenApiDocument {
  const described = mapObjects(describeDefaults(document), annotateReference) as OpenApiDocument;
  const schemas = (described.components?.schemas ?? {}) as Schemas;
  return addExamples(described, schemas) as OpenApiDocument;
}

function describeDefaults(value: unknown): unknown {
  return mapObjects(value, (object) => {
    if (!isSchemaWithDefault(object)) return object;
    const { default: fallback, description, ...rest } = object;
    const note = `Default: \`${JSON.stringify(fallback)}\`.`;
    return { ...rest, description: description === undefined ? note : `${description} ${note}` };
  });
}

interface WithDefault extends Readonly<Record<string, unknown>> {
  readonly default: unknown;
  readonly description?: string;
}

/** A `default` among responses is a response. */
function isSchemaWithDefault(object: Readonly<Record<string, unknown>>): object is WithDefault {
  const { default: fallback } = object;
  if (fallback === undefined) return false;
  const isResponse = typeof fallback === "object" && fallback !== null && "description" in fallback;
  return !isResponse;
}

/** A reference with only a further description needs no `allOf` around it. */
function annotateReference(object: Readonly<Record<string, unknown>>): object {
  const { allOf, ...rest } = object;
  if (!Array.isArray(allOf) || Object.keys(rest).length > 0) return object;
  const [reference, notes, ...others] = allOf as readonly Schema[];
  const isAnnotated =
    reference !== undefined &&
    "$ref" in reference &&
    notes !== undefined &&
    others.length === 0 &&
    Object.keys(notes).every((key) => key === "description" || key === "example");
  return isAnnotated ? { ...reference, ...notes } : object;
}

function addExamples(value: unknown, schemas: Schemas): unknown {
  return mapObjects(value, (object) => {
    const { content } = object;
    if (content === undefined) return object;
    const isRequest = "required" in object;
    const completed = Object.entries(content as Readonly<Record<string, MediaType>>).map(
      ([type, media]) => [type, withExample(media, { schemas, isRequest })] as const,
    );
    return { ...object, content: Object.fromEntries(completed) };
  });
}

interface MediaType {
  readonly schema?: Schema;
  readonly example?: unknown;
}

function withExample(
  media: MediaType,
  of: { readonly schemas: Schemas; readonly isRequest: boolean },
): MediaType {
  if (media.schema === undefined || media.schema["format"] === "binary") return media;
  return { ...media, example: media.example ?? exampleOf(media.schema, of) };
}

/** Rebuilds JSON from its leaves up, replacing each object. */
function mapObjects(
  value: unknown,
  replace: (object: Readonly<Record<string, unknown>>) => unknown,
): unknown {
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, replace));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, mapObjects(item, replace)]);
  return replace(Object.fromEntries(entries) as Readonly<Record<string, unknown>>);
}
