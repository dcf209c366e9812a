import { isUtf8 } from "node:buffer";
import { nullNonFinite } from "../../core/json/json-repair.ts";
import { weighJson } from "../../core/json/json-weight.ts";
import type { HeaderValues } from "../../core/job/retry-after.ts";
import { Steps } from "./steps.ts";

/** A complete response of an upstream, its content encoding undone; header names in lower case. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: Buffer;
  /** How much memory its parsed body may take; by default as much as suits the main thread. */
  readonly parsedBytesMax?: number;
  /** It was weighed already, and fits. */
  readonly isWeighed?: boolean;
  /** Why its content encoding could not be undone, so that the body is unusable. */
  readonly undecodable?: string;
}

/** A response's body as text and as JSON, or why it is not JSON; and the budget for reading it. */
export type BodyReading =
  | {
      readonly kind: "json";
      readonly text: string;
      readonly json: unknown;
      readonly steps: Steps;
    }
  | (Unreadable & { readonly steps: Steps });

export interface Unreadable {
  readonly kind: "unreadable";
  readonly why: string;
  /** True when the next response will be no better: it is over a limit, or a document. */
  readonly isLasting: boolean;
  /** Too large or too deep to be parsed; as text it may be fine. */
  readonly isOverLimit?: boolean;
}

type TextReading = { readonly kind: "text"; readonly text: string } | Unreadable;

/** Smaller texts are parsed unweighed: the worst of them takes a few mebibytes. */
const WEIGHED_BYTES_MIN = 16 * 1024;
const PARSED_BYTES_MAX = 64 * 2 ** 20;

const BYTE_ORDER_MARK = 0xfeff;
const CHARSET = /;\s*charset\s*=\s*"?([\w:.-]{1,40})/i;

/**
 * Reads a body as JSON, or of a response that is text as one JSON string.
 * @param format of the response
 */
export function readBody(
  answer: UpstreamResponse,
  steps = new Steps(answer.body.length),
  format: "json" | "text" = "json",
): BodyReading {
  if (answer.body.length === 0) {
    return { kind: "unreadable", why: "it is empty", isLasting: false, steps };
  }
  const reading = readText(answer);
  if (reading.kind === "unreadable") return { ...reading, steps };
  const { text } = reading;
  if (format === "text") return { kind: "json", text: JSON.stringify(text), json: text, steps };
  const parsedBytesMax = answer.parsedBytesMax ?? PARSED_BYTES_MAX;
  const tooMuch = answer.isWeighed === true ? null : overLimit(answer, text, parsedBytesMax);
  if (tooMuch !== null) {
    return { kind: "unreadable", why: tooMuch, isLasting: true, isOverLimit: true, steps };
  }
  const json = parse(text, steps) ?? parse(nullNonFinite(text), steps);
  return json ?? { ...notJson(answer), steps };
}

/** A body as text, by its byte order mark or declared charset, else as UTF-8. */
export function readText({ headers, body, undecodable }: UpstreamResponse): TextReading {
  if (undecodable !== undefined) {
    return { kind: "unreadable", why: undecodable, isLasting: false };
  }
  const charset = charsetOf(headers, body);
  if (charset === null || isMislabeled(charset, body)) {
    // Buffer.toString would replace invalid bytes, and the result would differ from what the
    // upstream wrote.
    return isUtf8(body)
      ? { kind: "text", text: withoutMark(body.toString("utf8")) }
      : notText(headers);
  }
  try {
    const text = new TextDecoder(charset, { fatal: true }).decode(body);
    return { kind: "text", text };
  } catch {
    return { kind: "unreadable", why: `it is not ${charset}, as it declares`, isLasting: false };
  }
}

/** Whether the bytes of the body are its text in UTF-8. */
export function isUtf8Text({ headers, body }: UpstreamResponse): boolean {
  const charset = charsetOf(headers, body);
  return (charset === null || isMislabeled(charset, body)) && isUtf8(body);
}

/** A decoder's name for it; null for UTF-8, and for a charset that no decoder knows. */
function charsetOf({ "content-type": type }: HeaderValues, body: Buffer): string | null {
  if (body[0] === 0xff && body[1] === 0xfe) return "utf-16le";
  if (body[0] === 0xfe && body[1] === 0xff) return "utf-16be";
  const label = typeof type === "string" ? CHARSET.exec(type)?.[1] : undefined;
  if (label === undefined || /^utf-?8$/i.test(label)) return null;
  try {
    const { encoding } = new TextDecoder(label);
    return encoding === "utf-8" ? null : encoding;
  } catch {
    return null;
  }
}

/**
 * Some frameworks declare Latin-1 by default and send UTF-8, as RFC 8259 requires. Latin-1 text
 * with a character beyond ASCII is almost never valid UTF-8.
 */
function isMislabeled(charset: string, body: Buffer): boolean {
  return charset === "windows-1252" && isUtf8(body);
}

function withoutMark(text: string): string {
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

function overLimit(answer: UpstreamResponse, text: string, parsedBytesMax: number): string | null {
  const { body } = answer;
  if (body.length < WEIGHED_BYTES_MIN) return null;
  // In other charsets, brackets and quotes have other codes or are parts of characters.
  const utf8 = isUtf8Text(answer) ? body : Buffer.from(text);
  switch (weighJson(utf8, parsedBytesMax)) {
    case "fits":
      return null;
    case "too_deep":
      return "it is nested too deeply";
    case "too_heavy":
      return `parsing it would take more than ${Math.round(parsedBytesMax / 2 ** 20)} MiB of memory`;
  }
}

function parse(text: string | null, steps: Steps): BodyReading | null {
  if (text === null) return null;
  try {
    return { kind: "json", text, json: JSON.parse(text), steps };
  } catch {
    return null;
  }
}

/** A type such as PDF is sent on purpose; text that can't be read was damaged on the way. */
function isDocument({ "content-type": type }: HeaderValues): boolean {
  return typeof type === "string" && !/^text\/|json|xml|octet-stream/i.test(type);
}

function notText(headers: HeaderValues): Unreadable {
  const isLasting = isDocument(headers);
  const why = isLasting
    ? "it is not UTF-8 text, and other content can't be a result"
    : "it is not UTF-8 and declares no other charset";
  return { kind: "unreadable", why, isLasting };
}

function notJson({ headers }: UpstreamResponse): Unreadable {
  return { kind: "unreadable", why: "it is not JSON", isLasting: isDocument(headers) };
}
