import { isJson } from "../../core/json/json-syntax.ts";
import { pipeline, type Readable } from "node:stream";
import type { SubscriptionRequest } from "../../client/ringback.ts";
import { CliError } from "../frame/cli.ts";
import { type Row, ROW_BYTES_MAX } from "./rows.ts";

/** How a cell is read. */
type CellKind = "text" | "words" | "number" | "flag" | "json" | "object";

const FIELDS: Readonly<Record<keyof SubscriptionRequest, CellKind>> = {
  job_id: "text",
  callback_url: "text",
  inbox: "text",
  provider: "text",
  connection: "text",
  params: "object",
  events: "words",
  payload: "text",
  fetch_result: "flag",
  traceparent: "text",
  tracestate: "text",
  metadata: "object",
  secret: "text",
  headers: "object",
  retry_schedule_s: "json",
  signatures: "words",
  deadline_s: "number",
};

interface Column {
  readonly field: string;
  /** The member of an object, as in `metadata.invoice`; null for the field as a whole. */
  readonly member: string | null;
  readonly kind: CellKind;
}

const REPLACEMENT = "\u{fffd}";

/**
 * Reads CSV as RFC 4180 has it: the first line names a field for each column. Empty cells are left out.
 * @throws {CliError} when a column is no field, or quotes do not match
 */
export async function* csvRows(input: Readable): AsyncGenerator<Row> {
  const { CsvError, parse } = await import("csv-parse");
  const parser = parse({
    bom: true,
    info: true,
    max_record_size: ROW_BYTES_MAX,
    relax_column_count: true,
  });
  // Its failure ends the parser, which is read below.
  pipeline(input, parser, () => undefined);
  let columns: readonly Column[] | null = null;
  let lines = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      readonly record: readonly string[];
      readonly info: { readonly lines: number };
    }>) {
      const line = lines + 1;
      lines = info.lines;
      // An empty line, which would have a cell otherwise.
      if (record.length === 1 && record[0] === "") continue;
      if (columns === null) columns = record.map((name) => columnNamed(name.trim()));
      else yield rowOf(line, record, columns);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new CliError(`The CSV can't be read after line ${lines}: ${error.message}`, {
      hint: "A cell with a comma, a quote or a line break is put in quotes, and a quote in it is doubled.",
    });
  }
}

function columnNamed(name: string): Column {
  const [, field = name, member = null] = /^([a-z_]+)\.(.+)$/.exec(name) ?? [];
  const kind = isField(field) ? FIELDS[field] : null;
  if (kind !== null && (member === null || kind === "object")) return { field, member, kind };
  throw new CliError(
    `The first line of the CSV names ${JSON.stringify(name)}, which is no field.`,
    {
      hint: `Name each column in the first line. Valid: ${Object.keys(FIELDS).join(", ")}, and metadata.<name>, params.<name>, headers.<name>.`,
    },
  );
}

function isField(name: string): name is keyof SubscriptionRequest {
  return Object.hasOwn(FIELDS, name);
}

function rowOf(line: number, cells: readonly string[], columns: readonly Column[]): Row {
  if (cells.length !== columns.length) {
    return {
      line,
      problem: `The line has ${cells.length} cells, the first line ${columns.length}.`,
    };
  }
  if (cells.some((cell) => cell.includes(REPLACEMENT))) {
    return { line, problem: "The line is not UTF-8." };
  }
  const fields = new Map<string, string>();
  const members = new Map<string, string[]>();
  for (const [index, { field, member, kind }] of columns.entries()) {
    const cell = cells[index] ?? "";
    if (cell === "") continue;
    if (member === null) fields.set(field, valueOf(cell, kind));
    else {
      const own = `${JSON.stringify(member)}:${JSON.stringify(cell)}`;
      members.set(field, [...(members.get(field) ?? []), own]);
    }
  }
  for (const [field, own] of members) {
    if (fields.has(field)) {
      return { line, problem: `Give either ${field} or ${field}.<name>, not both.` };
    }
    fields.set(field, `{${own.join(",")}}`);
  }
  const text = [...fields].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",");
  return { line, text: `{${text}}` };
}

/** A cell as JSON. One of the wrong kind becomes a string, which the gateway refuses with its reason. */
function valueOf(cell: string, kind: CellKind): string {
  switch (kind) {
    case "text":
      return JSON.stringify(cell);
    case "words":
      return cell.startsWith("[") && isJson(cell)
        ? cell
        : JSON.stringify(cell.trim().split(/[\s,;]+/));
    case "number":
      return /^\d{1,15}$/.test(cell) ? String(Number(cell)) : JSON.stringify(cell);
    case "flag":
      return /^(true|false)$/i.test(cell) ? cell.toLowerCase() : JSON.stringify(cell);
    case "json":
    case "object":
      return isJson(cell) ? cell : JSON.stringify(cell);
  }
}
