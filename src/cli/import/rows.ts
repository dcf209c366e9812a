import { isUtf8 } from "node:buffer";

/** A subscription of a file, or what is wrong with it. */
export type Row =
  | { readonly line: number; readonly text: string }
  | { readonly line: number; readonly problem: string };

/** As much as a single request may have. */
export const ROW_BYTES_MAX = 256 * 1024;

const NEWLINE = 0x0a;
const BOM = "\u{feff}";

/** Reads NDJSON: a subscription a line, as the body of a request. Blank lines are skipped. */
export async function* jsonRows(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  for await (const { line, bytes } of linesOf(chunks)) {
    if (bytes === null) {
      yield { line, problem: `The line is longer than ${ROW_BYTES_MAX / 1024} KiB.` };
    } else if (!isUtf8(bytes)) yield { line, problem: "The line is not UTF-8." };
    else {
      const text = bytes
        .toString("utf8")
        .replace(line === 1 ? BOM : "", "")
        .trim();
      if (text !== "") yield { line, text };
    }
  }
}

/**
 * Splits into lines, which are counted from 1. A line that is too long is null, and is never held as a whole.
 */
async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly line: number; readonly bytes: Buffer | null }> {
  let line = 1;
  let parts: Buffer[] = [];
  let size = 0;
  const add = (part: Buffer): void => {
    size += part.length;
    if (size <= ROW_BYTES_MAX) parts.push(part);
    else parts = [];
  };
  const take = (): Buffer | null => {
    const bytes = size <= ROW_BYTES_MAX ? Buffer.concat(parts) : null;
    parts = [];
    size = 0;
    return bytes;
  };
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      add(bytes.subarray(start, end));
      yield { line, bytes: take() };
      line += 1;
      start = end + 1;
    }
    add(bytes.subarray(start));
  }
  if (size > 0) yield { line, bytes: take() };
}

/** The fields of rows that do not have them, as members of a JSON object. */
export type Defaults = Readonly<Record<string, string>>;

/** Adds the defaults to a row; its own text stays as it is, digit by digit. */
export function withDefaults(row: Row, defaults: Defaults): Row {
  if ("problem" in row) return row;
  const { line, text } = row;
  const fields = objectIn(text);
  if (typeof fields === "string") return { line, problem: fields };
  // A job goes to one place only.
  const hasTarget = Object.hasOwn(fields, "callback_url") || Object.hasOwn(fields, "inbox");
  const missing = Object.entries(defaults).filter(([name]) =>
    name === "callback_url" || name === "inbox" ? !hasTarget : !Object.hasOwn(fields, name),
  );
  if (missing.length === 0) return row;
  const members = missing.map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const own = text.slice(text.indexOf("{") + 1);
  const separator = Object.keys(fields).length === 0 ? "" : ",";
  return { line, text: `{${members.join(",")}${separator}${own}` };
}

/** A text that says what is wrong, if it is no object. */
function objectIn(text: string): object | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message may quote a secret.
    return "The line is not valid JSON.";
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  return 'The line must be a JSON object, such as {"job_id": "abc123", …}.';
}
