import { type SecretForm, secretForms } from "./secret-forms.ts";
import {
  decodeEscapes,
  ESCAPE_KINDS,
  isCutEscape,
  mayEscape,
  unescapedAt,
} from "./text-escapes.ts";

/** Takes the secrets out of a text, in whatever encoding it holds them. */
export type EchoRedactor = (text: string) => string;

const REDACTED = "[redacted]";
/** Ordinary text takes less than one step a character; beyond the limit, the rest is masked unread. */
const STEPS_MIN = 20_000;
const STEPS_PER_CHARACTER = 8;
const CUT_MARK = "…".charCodeAt(0);

const BASE64 = /[\w+/-]/;
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * A function that masks what the other side of an exchange may have echoed of our secrets: as they
 * are, with any of their characters escaped (JSON, percent, HTML, mixed, and one of these within
 * another), in hexadecimal, in base64 also within a longer one, and their beginning where a text was
 * cut. The cost is bounded by the length of the text. Secrets of less than six characters are left,
 * trivial ones are taken out as whole words only.
 */
export function createEchoRedactor(secrets: readonly string[]): EchoRedactor {
  const forms = secretForms(secrets);
  if (forms.length === 0) return (text) => text;
  const search = new FormSearch(forms);
  return (text) => maskSpans(text, findSpans(text, search));
}

/** From the first masked character to the one after the last. */
type Span = readonly [start: number, end: number];

function findSpans(text: string, search: FormSearch): Span[] {
  const spans = search.findIn(text);
  for (const kind of ESCAPE_KINDS) {
    const decoded = decodeEscapes(text, kind);
    if (decoded === null) continue;
    const { origins } = decoded;
    for (const [start, end] of search.findIn(decoded.text)) {
      spans.push([origins[start] ?? 0, origins[end] ?? text.length]);
    }
  }
  return spans.sort((a, b) => a[0] - b[0]);
}

function maskSpans(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text;
  let masked = "";
  let from = 0;
  let end = -1;
  for (const [start, spanEnd] of spans) {
    if (start > end) {
      masked += text.slice(from, start) + REDACTED;
      from = start;
    }
    end = Math.max(end, spanEnd);
    from = Math.max(from, end);
  }
  return masked + text.slice(from);
}

/** Finds forms in texts, whatever their characters are escaped as. */
class FormSearch {
  readonly #byFirst = new Map<string, SecretForm[]>();
  readonly #mayBegin: RegExp;
  #text = "";
  #stepsLeft = 0;

  constructor(forms: readonly SecretForm[]) {
    for (const form of forms) {
      const first = form.text[0] ?? "";
      const known = this.#byFirst.get(first);
      if (known === undefined) this.#byFirst.set(first, [form]);
      else known.push(form);
    }
    const firsts = [...this.#byFirst.keys()].map(
      (first) => `\\u${first.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    this.#mayBegin = new RegExp(`[\\\\%&+${firsts.join("")}]`, "g");
  }

  findIn(text: string): Span[] {
    const spans: Span[] = [];
    const mayBegin = this.#mayBegin;
    this.#text = text;
    this.#stepsLeft = STEPS_MIN + STEPS_PER_CHARACTER * text.length;
    mayBegin.lastIndex = 0;
    for (let found = mayBegin.exec(text); found !== null; found = mayBegin.exec(text)) {
      const span = this.#matchAt(found.index);
      if (this.#stepsLeft < 0) {
        spans.push([found.index, text.length]);
        break;
      }
      // The next one may begin within this one.
      if (span !== null) spans.push(span);
    }
    this.#text = "";
    return spans;
  }

  /** The longest match that begins here. */
  #matchAt(start: number): Span | null {
    const raw = this.#text[start] ?? "";
    let longest = this.#longest(start, raw, start + 1, null);
    for (const { value, end } of unescapedAt(this.#text, start)) {
      longest = this.#longest(start, value, end, longest);
    }
    return longest;
  }

  #longest(start: number, value: string, after: number, longest: Span | null): Span | null {
    let best = longest;
    for (const form of this.#byFirst.get(value[0] ?? "") ?? []) {
      if (!form.text.startsWith(value)) continue;
      const end = this.#matchRest(form, value.length, after);
      if (end < 0 || (form.isWholeWord && !this.#isWord(start, end))) continue;
      const span = this.#widened(form, start, end);
      if (best === null || span[1] > best[1]) best = span;
    }
    return best;
  }

  /** Where the match ends of which `matched` characters are read already, or -1. */
  #matchRest(form: SecretForm, matched: number, at: number): number {
    const text = this.#text;
    const wanted = form.text;
    let index = matched;
    let place = at;
    while (index < wanted.length) {
      this.#stepsLeft -= 1;
      if (this.#stepsLeft < 0) return -1;
      const code = text.charCodeAt(place);
      if (mayEscape(code)) {
        const end = this.#matchEscaped(form, index, place);
        if (end >= 0) return end;
      }
      if (code !== wanted.charCodeAt(index)) {
        const isCut = place >= text.length || code === CUT_MARK;
        return isCut && mayBeCut(form, index) ? place : -1;
      }
      index += 1;
      place += 1;
    }
    return place;
  }

  #matchEscaped(form: SecretForm, index: number, place: number): number {
    const text = this.#text;
    if (mayBeCut(form, index) && isCutEscape(text, place)) return text.length;
    for (const { value, end } of unescapedAt(text, place)) {
      if (!form.text.startsWith(value, index)) continue;
      const matchEnd = this.#matchRest(form, index + value.length, end);
      if (matchEnd >= 0) return matchEnd;
    }
    return -1;
  }

  #isWord(start: number, end: number): boolean {
    const before = this.#text[start - 1] ?? "";
    return !LETTER_OR_DIGIT.test(before) && !LETTER_OR_DIGIT.test(this.#text[end] ?? "");
  }

  #widened({ isBase64 }: SecretForm, start: number, end: number): Span {
    if (!isBase64) return [start, end];
    const text = this.#text;
    let to = BASE64.test(text[end] ?? "") ? end + 1 : end;
    for (let padding = 0; padding < 2 && text[to] === "="; padding += 1) to += 1;
    return [BASE64.test(text[start - 1] ?? "") ? start - 1 : start, to];
  }
}

function mayBeCut({ isWholeWord, cutCharactersMin }: SecretForm, matched: number): boolean {
  return !isWholeWord && matched >= cutCharactersMin;
}

/** Headers whose values are made of a scheme or names, and secrets. */
const STRUCTURED = /^(proxy-)?authorization$|^cookie$/;

/** The texts that give away a request's own headers, should the answer echo them. */
export function headerSecrets(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    STRUCTURED.test(name.toLowerCase()) ? partsOf(value).concat(value) : value,
  );
}

function partsOf(value: string): string[] {
  const words = value.split(/[\s;,]+/).slice(value.includes(" ") ? 1 : 0);
  const basic = /^basic\s+(\S+)$/i.exec(value)?.[1];
  const pair = basic === undefined ? "" : Buffer.from(basic, "base64").toString("utf8");
  return [
    ...words,
    ...value.split(/[\s;,]+/).flatMap((word) => word.split(/=(.+)/s)[1] ?? []),
    ...(pair.includes(":") ? [pair, pair.slice(pair.indexOf(":") + 1)] : []),
  ];
}
