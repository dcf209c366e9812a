/** JSON Schema, as far as it is needed here. */
export type Schema = Readonly<Record<string, unknown>>;
export type Schemas = Readonly<Record<string, Schema>>;

interface Options {
  readonly schemas: Schemas;
  /** True to show only those optional fields that have an example of their own. */
  readonly isRequest: boolean;
}

/** A value that matches the schema, made from the examples of its parts. */
export function exampleOf(schema: Schema, options: Options): unknown {
  const { example, const: constant, enum: values, $ref: reference } = schema;
  if (example !== undefined) return example;
  if (constant !== undefined) return constant;
  if (Array.isArray(values)) return values[0];
  if (typeof reference === "string") return exampleOf(resolve(reference, options), options);
  const alternatives = (schema["oneOf"] ?? schema["anyOf"]) as readonly Schema[] | undefined;
  if (alternatives?.[0] !== undefined) return exampleOf(alternatives[0], options);
  const parts = schema["allOf"] as readonly Schema[] | undefined;
  if (parts !== undefined) {
    return Object.assign({}, ...parts.map((part) => exampleOf(part, options)));
  }
  return exampleOfType(schema, options);
}

function exampleOfType(schema: Schema, options: Options): unknown {
  const [type] = [schema["type"]].flat();
  switch (type) {
    case "object":
      return exampleOfObject(schema, options);
    case "array":
      return [exampleOf((schema["items"] ?? {}) as Schema, options)];
    case "string":
      return "text";
    case "integer":
    case "number":
      return schema["minimum"] ?? 0;
    case "boolean":
      return false;
    default:
      return null;
  }
}

function exampleOfObject(schema: Schema, options: Options): object {
  const properties = Object.entries((schema["properties"] ?? {}) as Schemas);
  const required = (schema["required"] ?? []) as readonly string[];
  const shown = properties.filter(
    ([name, of]) => required.includes(name) || of["example"] !== undefined,
  );
  return Object.fromEntries(shown.map(([name, of]) => [name, exampleOf(of, options)]));
}

function resolve(reference: string, { schemas }: Options): Schema {
  return schemas[reference.slice("#/components/schemas/".length)] ?? {};
}
