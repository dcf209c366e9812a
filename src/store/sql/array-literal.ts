/**
 * A Postgres array literal of values that need no quoting: numbers, UUIDs, plain words. Sent as one text
 * parameter and cast, `$1::text::uuid[]`, which spares the driver from guessing element types.
 */
export function arrayLiteral(values: readonly (number | string)[]): string {
  return `{${values.join(",")}}`;
}

/** An array literal of texts. */
export function textArrayLiteral(texts: readonly string[]): string {
  return arrayLiteral(texts.map((text) => `"${text.replace(/["\\\\]/g, "\\$&")}"`));
}
