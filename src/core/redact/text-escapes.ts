/** The characters that an escape sequence encodes, and the position after it. */
interface Unescaped {
  readonly value: string;
  readonly end: number;
}

type EscapeKind = "json" | "percent" | "html";

export const ESCAPE_KINDS: readonly EscapeKind[] = ["json", "percent", "html"];

const INTRODUCERS: Readonly<Record<EscapeKind, string>> = { json: "\\", percent: "%", html: "&" };

const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["f", "\f"],
  ["/", "/"],
  ["\\", "\\"],
  ['"', '"'],
  ["'", "'"],
]);

/** The entities of ASCII punctuation; letters and digits have none. */
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["AMP", "&"],
  ["lt", "<"],
  ["LT", "<"],
  ["gt", ">"],
  ["GT", ">"],
  ["quot", '"'],
  ["QUOT", '"'],
  ["apos", "'"],
  ["excl", "!"],
  ["num", "#"],
  ["dollar", "$"],
  ["percnt", "%"],
  ["lpar", "("],
  ["rpar", ")"],
  ["ast", "*"],
  ["plus", "+"],
  ["comma", ","],
  ["period", "."],
  ["sol", "/"],
  ["colon", ":"],
  ["semi", ";"],
  ["equals", "="],
  ["quest", "?"],
  ["commat", "@"],
  ["lsqb", "["],
  ["bsol", "\\"],
  ["rsqb", "]"],
  ["Hat", "^"],
  ["lowbar", "_"],
  ["grave", "`"],
  ["lcub", "{"],
  ["vert", "|"],
  ["rcub", "}"],
  ["nbsp", "\u{a0}"],
]);

const JSON_CODE = /u([\da-f]{4})|u\{([\da-f]{1,6})\}|x([\da-f]{2})/iy;
const PERCENT_BYTES = /(?:%[\da-f]{2}){1,4}/iy;
const ENTITY = /#x([\da-f]{1,6});?|#(\d{1,7});?|([a-z]{2,6});/iy;
/** An escape that the text ends within. */
const CUT_ESCAPE = /(?:\\(?:u[\da-f]{0,3}|x[\da-f]?)?|%[\da-f]?|&(?:#?\w{0,7})?)…?$/iy;

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;

/** Whether an escape may begin with this character. */
export function mayEscape(code: number): boolean {
  return code === BACKSLASH || code === PERCENT || code === AMPERSAND || code === PLUS;
}

/**
 * The characters that one escape may encode at a place: of JSON and JavaScript, of URLs (in UTF-8 or Latin-1,
 * and `+` for a blank), of HTML. Percent-encoded bytes have more than one reading.
 */
export function unescapedAt(text: string, at: number): readonly Unescaped[] {
  const code = text.charCodeAt(at);
  if (code === BACKSLASH) return present(jsonAt(text, at));
  if (code === PERCENT) return percentAt(text, at);
  if (code === AMPERSAND) return present(entityAt(text, at));
  return code === PLUS ? [{ value: " ", end: at + 1 }] : [];
}

/** Whether the text ends, or was cut, within an escape that begins here. */
export function isCutEscape(text: string, at: number): boolean {
  CUT_ESCAPE.lastIndex = at;
  return CUT_ESCAPE.test(text);
}

/** Null where there is nothing to undo. */
export function decodeEscapes(
  text: string,
  kind: EscapeKind,
): {
  readonly text: string;
  /** For each character and for the end. */
  readonly origins: Int32Array;
} | null {
  const introducer = INTRODUCERS[kind];
  let next = text.indexOf(introducer);
  if (next < 0) return null;
  const parts: string[] = [];
  const origins = new Int32Array(text.length + 1);
  let length = 0;
  let from = 0;
  const keepUntil = (to: number): void => {
    parts.push(text.slice(from, to));
    for (let at = from; at < to; at += 1) origins[length++] = at;
    from = to;
  };
  for (; next >= 0; next = text.indexOf(introducer, Math.max(from, next + 1))) {
    const [found] = unescapedAt(text, next);
    if (found === undefined) continue;
    keepUntil(next);
    parts.push(found.value);
    for (let count = 0; count < found.value.length; count += 1) origins[length++] = next;
    from = found.end;
  }
  if (from === 0) return null;
  keepUntil(text.length);
  origins[length] = text.length;
  return { text: parts.join(""), origins };
}

function jsonAt(text: string, at: number): Unescaped | null {
  const simple = SIMPLE_ESCAPES.get(text[at + 1] ?? "");
  if (simple !== undefined) return { value: simple, end: at + 2 };
  JSON_CODE.lastIndex = at + 1;
  const [, unit, codePoint, byte] = JSON_CODE.exec(text) ?? [];
  const digits = unit ?? codePoint ?? byte;
  return digits === undefined
    ? null
    : fromCodePoint(Number.parseInt(digits, 16), JSON_CODE.lastIndex);
}

function percentAt(text: string, at: number): readonly Unescaped[] {
  PERCENT_BYTES.lastIndex = at;
  const run = PERCENT_BYTES.exec(text)?.[0];
  if (run === undefined) return [];
  const bytes = Buffer.from(run.replaceAll("%", ""), "hex");
  const first = bytes[0] ?? 0;
  const latin1: Unescaped = { value: String.fromCharCode(first), end: at + 3 };
  if (first < 0x80) return [latin1];
  const count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const utf8 = bytes.subarray(0, count).toString("utf8");
  if (utf8.includes("\u{fffd}")) return [latin1];
  return [{ value: utf8, end: at + 3 * count }, latin1];
}

function entityAt(text: string, at: number): Unescaped | null {
  ENTITY.lastIndex = at + 1;
  const [, hexadecimal, decimal, name] = ENTITY.exec(text) ?? [];
  const end = ENTITY.lastIndex;
  if (hexadecimal !== undefined) return fromCodePoint(Number.parseInt(hexadecimal, 16), end);
  if (decimal !== undefined) return fromCodePoint(Number(decimal), end);
  const value = ENTITIES.get(name ?? "");
  return value === undefined ? null : { value, end };
}

function fromCodePoint(code: number, end: number): Unescaped | null {
  return code > 0x10_ff_ff ? null : { value: String.fromCodePoint(code), end };
}

function present(found: Unescaped | null): readonly Unescaped[] {
  return found === null ? [] : [found];
}
