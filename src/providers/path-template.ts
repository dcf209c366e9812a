/** What a template's placeholders stand for. */
export interface JobReference {
  readonly jobId: string;
  readonly params: Readonly<Record<string, string>>;
}

/** `literals[0] slot[0] literals[1] … literals[n]`; the slot `null` is the job id. */
export interface Template {
  readonly literals: readonly string[];
  readonly slots: readonly (string | null)[];
}

export type TemplateReading =
  | { readonly kind: "template"; readonly template: Template }
  | { readonly kind: "malformed"; readonly problem: string };

const PLACEHOLDER = /\{([^{}]*)\}/;
const PARAM = /^params\.([A-Za-z_]\w*)$/;
// RFC 3986 path characters, without `%`: an encoded slash or dot could hide a climb.
const PATH_LITERAL = /^[\w\-.~!$&'()*+,;=:@/]*$/;
const DOTS_ONLY = /^\.+$/;
const NEEDS_NO_ENCODING = /^[\w-]+$/;

/** Reads `text {job_id} text {params.name} text`. */
export function readTemplate(source: string): TemplateReading {
  const literals: string[] = [];
  const slots: (string | null)[] = [];
  for (const [index, part] of source.split(PLACEHOLDER).entries()) {
    // split() with one group alternates literal, group, literal, …
    if (index % 2 === 0) {
      if (/[{}]/.test(part)) return malformed("has a brace that closes or opens nothing");
      literals.push(part);
      continue;
    }
    const param = PARAM.exec(part)?.[1];
    if (part !== "job_id" && param === undefined) {
      return malformed(`has {${part}}, but knows only {job_id} and {params.<name>}`);
    }
    slots.push(param ?? null);
  }
  return { kind: "template", template: { literals, slots } };
}

/**
 * Reads a template of an absolute path. No segment can be turned into `.` or `..` by the values
 * filled in: it holds at most one placeholder, alone or beside something other than dots.
 */
export function readPathTemplate(source: string): TemplateReading {
  const reading = readTemplate(source);
  if (reading.kind === "malformed") return reading;
  if (!source.startsWith("/")) return malformed("must start with /");
  if (!reading.template.literals.every((literal) => PATH_LITERAL.test(literal))) {
    return malformed("may hold only path characters; a query has a field of its own");
  }
  for (const segment of source.split("/")) {
    const fixed = segment.split(PLACEHOLDER).filter((_, index) => index % 2 === 0);
    if (fixed.length > 2) return malformed(`has two placeholders in one segment, ${segment}`);
    if (DOTS_ONLY.test(fixed.join(""))) return malformed(`has a segment of dots, ${segment}`);
  }
  return reading;
}

function malformed(problem: string): TemplateReading {
  return { kind: "malformed", problem: `The template ${problem}.` };
}

/** Fills in a template; an unknown param counts as empty. */
export function fillTemplate(
  template: Template,
  job: JobReference,
  encode: (value: string) => string,
): string {
  const { literals, slots } = template;
  let filled = literals[0] ?? "";
  for (let index = 0; index < slots.length; index += 1) {
    const slot = slots[index] ?? null;
    filled += encode(slot === null ? job.jobId : paramOf(job, slot)) + (literals[index + 1] ?? "");
  }
  return filled;
}

function paramOf(job: JobReference, name: string): string {
  return Object.hasOwn(job.params, name) ? (job.params[name] ?? "") : "";
}

/**
 * Any text as exactly one path segment that no URL normalisation removes.
 *
 * `.` and `..` need more than one level of encoding: for the WHATWG URL standard `%2E%2E` still
 * climbs. Encoded twice they name a job that cannot exist, which is what they are.
 */
export function encodeSegment(value: string): string {
  if (NEEDS_NO_ENCODING.test(value)) return value;
  if (value === "." || value === "..") return value.replaceAll(".", "%252E");
  return encodeQueryValue(value);
}

/** Any text, lone surrogates included, as a value in a query. */
export function encodeQueryValue(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
