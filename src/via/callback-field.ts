import { cutJsonMembers } from "../core/json/cut-members.ts";
import { type PointerTokens, pointerText } from "../providers/language/json-pointer.ts";

/** The beginning of a body that is searched for fields; the rest is only passed on. */
export const LOOKED_AT_BODY_BYTES_MAX = 256 * 1024;

/** The beginning of a body without the fields that say where the callback goes. */
export interface TakenField {
  readonly body: Buffer;
  /** The first of the wanted fields that has a text, or null. */
  readonly callback: CallbackField | null;
}

export interface CallbackField {
  readonly url: string;
  /** For messages: a JSON Pointer to the field. */
  readonly pointer: string;
}

type Fields = readonly PointerTokens[];

/** A kind of body that fields can be taken off. */
export type FieldBody =
  | { readonly kind: "json" | "form" }
  | { readonly kind: "multipart"; readonly boundary: string };

/** The kind of a request's body; null for those that are passed on without a look. */
export function fieldBodyOf(headers: {
  readonly "content-type"?: string | undefined;
  readonly "content-encoding"?: string | undefined;
}): FieldBody | null {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") return null;
  const [type = "", ...params] = (headers["content-type"] ?? "").split(";");
  const name = type.trim().toLowerCase();
  if (name === "application/json" || name.endsWith("+json")) return { kind: "json" };
  if (name === "application/x-www-form-urlencoded") return { kind: "form" };
  if (name !== "multipart/form-data") return null;
  const [, quoted, plain] =
    /\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(params.join(";")) ?? [];
  const boundary = quoted ?? plain;
  return boundary === undefined ? null : { kind: "multipart", boundary };
}

/**
 * Takes fields off a body, or off its beginning. Null when it has none of them, and so goes on as it is.
 * @param fields each the keys that lead to it; forms have those of one key only
 */
export function takeCallbackField(
  part: Buffer,
  isWhole: boolean,
  kind: FieldBody,
  fields: Fields,
): TakenField | null {
  switch (kind.kind) {
    case "json":
      return fromJson(part, isWhole, fields);
    case "form":
      return isWhole ? fromForm(part, fields) : null;
    case "multipart":
      return fromMultipart(part, kind.boundary, fields);
  }
}

function fromJson(part: Buffer, isWhole: boolean, fields: Fields) {
  if (!mayName(part, fields)) return null;
  const cut = cutJsonMembers(part.toString("latin1"), isWhole, fields);
  if (cut === null) return null;
  const texts = fields.map((_, index) => textOfJson(cut.values.get(index)));
  return { body: Buffer.from(cut.text, "latin1"), callback: firstOf(fields, texts) };
}

const BACKSLASH = 0x5c;

/** Most bodies have none of the fields, which shows before they are read: only a backslash could hide a name. */
function mayName(part: Buffer, fields: Fields): boolean {
  return part.includes(BACKSLASH) || fields.some((keys) => part.includes(keys.at(-1) ?? ""));
}

function textOfJson(source: string | undefined): string | null {
  if (source === undefined) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(source, "latin1").toString("utf8"));
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

function fromForm(part: Buffer, fields: Fields): TakenField | null {
  const names = namesOf(fields);
  const given = new URLSearchParams(part.toString("utf8"));
  const pairs = part.toString("latin1").split("&");
  const kept = pairs.filter((pair) => !names.includes(nameOfPair(pair)));
  if (kept.length === pairs.length) return null;
  return {
    body: Buffer.from(kept.join("&"), "latin1"),
    callback: firstOf(
      fields,
      names.map((name) => (name === null ? null : given.get(name))),
    ),
  };
}

function nameOfPair(pair: string): string | null {
  const [name] = new URLSearchParams(Buffer.from(pair, "latin1").toString("utf8")).keys();
  return name ?? null;
}

/** RFC 7578: parts between lines with the boundary, each with headers of its own. */
function fromMultipart(part: Buffer, boundary: string, fields: Fields) {
  const names = namesOf(fields);
  const marks = marksOf(part, `--${boundary}`);
  const texts = new Map<string, string>();
  const kept: Buffer[] = [part.subarray(0, marks[0] ?? part.length)];
  for (const [index, start] of marks.entries()) {
    const next = marks[index + 1];
    const section = part.subarray(start, next ?? part.length);
    const name = next === undefined ? null : nameOfSection(section);
    if (name === null || !names.includes(name)) {
      kept.push(section);
      continue;
    }
    const bodyStart = section.indexOf("\r\n\r\n") + 4;
    texts.set(
      name,
      section
        .subarray(bodyStart, section.length - 2)
        .toString("utf8")
        .trim(),
    );
  }
  if (texts.size === 0) return null;
  const found = names.map((name) => texts.get(name ?? "") ?? null);
  return { body: Buffer.concat(kept), callback: firstOf(fields, found) };
}

/** Where lines that begin with the boundary start. */
function marksOf(part: Buffer, line: string): number[] {
  const marks: number[] = [];
  for (let at = part.indexOf(line); at !== -1; at = part.indexOf(line, at + line.length)) {
    const isAtStart = at === 0 || (part[at - 2] === 0x0d && part[at - 1] === 0x0a);
    const follows = part.toString("latin1", at + line.length, at + line.length + 2);
    if (isAtStart && (follows === "\r\n" || follows === "--")) marks.push(at);
  }
  return marks;
}

const SECTION_HEAD_BYTES_MAX = 4096;

/** The name of a field that is no file. */
function nameOfSection(section: Buffer): string | null {
  const end = section.indexOf("\r\n\r\n");
  if (end === -1 || end > SECTION_HEAD_BYTES_MAX) return null;
  const head = section.toString("utf8", 0, end);
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(head)?.[1];
  if (disposition === undefined || /\bfilename\*?\s*=/i.test(disposition)) return null;
  const [, quoted, plain] = /\bname\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i.exec(disposition) ?? [];
  return quoted ?? plain ?? null;
}

/** Those that a form can have; null for the others. */
function namesOf(fields: Fields): readonly (string | null)[] {
  return fields.map(([name = null, ...more]) => (more.length === 0 ? name : null));
}

function firstOf(fields: Fields, texts: readonly (string | null)[]): CallbackField | null {
  const index = texts.findIndex((text) => text !== null && text.trim() !== "");
  const url = texts[index]?.trim() ?? null;
  return url === null ? null : { url, pointer: pointerText(fields[index] ?? []) };
}
