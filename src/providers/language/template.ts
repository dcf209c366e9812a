import { JSON_POINTER } from "./json-pointer.ts";

/** Values for a template's placeholders. */
export interface JobReference {
  readonly jobId: string;
  readonly params: Readonly<Record<string, string>>;
}

export interface TemplateValues extends JobReference {
  /** Values of `{answer.<pointer>}`, by pointer. */
  readonly answer?: Readonly<Record<string, string>>;
}

/** A placeholder: the job id, one of its params, or a place in an earlier response. */
export interface Slot {
  readonly from: "job_id" | "param" | "answer";
  /** The param's name or the JSON Pointer into the response. */
  readonly name: string;
  /** Written `{+…}`: a slash in the value stays one, so the value may be several path segments. */
  readonly spread: boolean;
  /** The default of a param that the job does not have. */
  readonly fallback: string;
  /** In JSON, written `"{#…}"`: a number rather than a text, if the value is one. */
  readonly isNumber?: true;
}

/** `literals[0] slots[0] literals[1] … literals[n]` */
export interface Template {
  readonly literals: readonly string[];
  readonly slots: readonly Slot[];
}

export type TemplateReading =
  | { readonly kind: "template"; readonly template: Template }
  | { readonly kind: "malformed"; readonly problem: string };

/** The place of a template decides which placeholders it may have. */
interface TemplatePlace {
  /** True when there is an earlier response to take values from. */
  readonly hasAnswer: boolean;
  readonly isPath: boolean;
}

// A doubled brace is a brace; a single one belongs to a placeholder.
const TOKEN = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const PARAM = /^params\.([A-Za-z_]\w*)$/;
const ANSWER = /^answer\.(\/.*)$/;
// RFC 3986 path characters, without `%`: an encoded slash or dot could hide a climb.
const PATH_LITERAL = /^[\w\-.~!$&'()*+,;=:@/]*$/;
const DOTS_ONLY = /^\.+$/;
const NEEDS_NO_ENCODING = /^[\w-]+$/;

/** Reads `text {job_id} text {params.name} text`. */
export function readTemplate(source: string, place: TemplatePlace): TemplateReading {
  const literals: string[] = [];
  const slots: Slot[] = [];
  let literal = "";
  let end = 0;
  for (const match of source.matchAll(TOKEN)) {
    const [token, inner] = match;
    literal += source.slice(end, match.index);
    end = match.index + token.length;
    if (token === "{{" || token === "}}") {
      literal += token[0];
      continue;
    }
    if (inner === undefined) {
      return malformed("has a brace that closes or opens nothing; double a brace that is meant");
    }
    const slot = readSlot(inner, place);
    if (slot === null) return malformed(`has {${inner}}, but knows only ${known(place)}`);
    literals.push(literal);
    slots.push(slot);
    literal = "";
  }
  literals.push(literal + source.slice(end));
  return { kind: "template", template: { literals, slots } };
}

/**
 * Reads a template of an absolute path. No value can turn a segment into `.` or `..`: it contains
 * at most one placeholder, alone or next to something other than dots.
 */
export function readPathTemplate(source: string, hasAnswer: boolean): TemplateReading {
  const reading = readTemplate(source, { hasAnswer, isPath: true });
  if (reading.kind === "malformed") return reading;
  const { literals } = reading.template;
  if (!source.startsWith("/")) return malformed("must start with /");
  if (!literals.every((literal) => PATH_LITERAL.test(literal))) {
    return malformed("may hold only path characters; a query has a field of its own");
  }
  // No character of a path is mistaken for the mark of a placeholder.
  for (const segment of literals.join(SLOT_MARK).split("/")) {
    const fixed = segment.split(SLOT_MARK);
    const shown = segment.replaceAll(SLOT_MARK, "{…}");
    if (fixed.length > 2) return malformed(`has two placeholders in one segment, ${shown}`);
    if (DOTS_ONLY.test(fixed.join(""))) return malformed(`has a segment of dots, ${shown}`);
  }
  return reading;
}

const SLOT_MARK = "\0";

function readSlot(inner: string, { hasAnswer, isPath }: TemplatePlace): Slot | null {
  const spread = isPath && inner.startsWith("+");
  const source = spread ? inner.slice(1) : inner;
  const shape = { spread, fallback: "" };
  if (source === "job_id") return { from: "job_id", name: "job_id", ...shape };
  const param = PARAM.exec(source)?.[1];
  if (param !== undefined) return { from: "param", name: param, ...shape };
  const pointer = hasAnswer ? ANSWER.exec(source)?.[1] : undefined;
  if (pointer === undefined || !JSON_POINTER.test(pointer)) return null;
  return { from: "answer", name: pointer, ...shape };
}

function known({ hasAnswer }: TemplatePlace): string {
  return hasAnswer
    ? "{job_id}, {params.<name>} and {answer.<JSON Pointer>}"
    : "{job_id} and {params.<name>}";
}

function malformed(problem: string): TemplateReading {
  return { kind: "malformed", problem: `The template ${problem}.` };
}

/** Fills in a template; unknown values are empty. */
export function fillTemplate(
  template: Template,
  values: TemplateValues,
  encode: (value: string) => string,
): string {
  const { literals, slots } = template;
  let filled = literals[0] ?? "";
  for (let index = 0; index < slots.length; index += 1) {
    const slot = slots[index];
    if (slot === undefined) break;
    const value = valueOf(slot, values);
    if (slot.isNumber) filled += encodeJsonNumber(value);
    else filled += slot.spread ? encodeSegments(value) : encode(value);
    filled += literals[index + 1] ?? "";
  }
  return filled;
}

/** True when every param that the template needs has a value. */
export function hasParams(template: Template, values: TemplateValues): boolean {
  return template.slots.every((slot) => slot.from !== "param" || valueOf(slot, values) !== "");
}

function valueOf(slot: Slot, values: TemplateValues): string {
  switch (slot.from) {
    case "job_id":
      return values.jobId;
    case "param":
      return ownValue(values.params, slot.name) || slot.fallback;
    case "answer":
      return values.answer === undefined ? "" : ownValue(values.answer, slot.name);
  }
}

function ownValue(values: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(values, name) ? (values[name] ?? "") : "";
}

/**
 * Any text as exactly one path segment that no URL normalization removes.
 *
 * `.` and `..` need more than one level of encoding: in the WHATWG URL standard `%2E%2E` still
 * climbs. Encoded twice they name a job that cannot exist, as they should.
 */
export function encodeSegment(value: string): string {
  if (NEEDS_NO_ENCODING.test(value)) return value;
  if (value === "." || value === "..") return value.replaceAll(".", "%252E");
  return encodeQueryValue(value);
}

/** The same for each part between slashes. */
function encodeSegments(value: string): string {
  return value.split("/").map(encodeSegment).join("/");
}

/** Any text, lone surrogates included, as a value in a query. */
export function encodeQueryValue(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A number as it is, digit by digit; any other text as a string in JSON. */
function encodeJsonNumber(value: string): string {
  return JSON_NUMBER.test(value) ? value : `"${encodeJsonText(value)}"`;
}

/** Any text as a part of a string in JSON, without the quotes around it. */
export function encodeJsonText(value: string): string {
  return JSON.stringify(value.toWellFormed()).slice(1, -1);
}
