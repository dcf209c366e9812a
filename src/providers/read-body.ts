import { isUtf8 } from "node:buffer";

/** An answer's body as text and as JSON, or why it is not JSON. */
export type BodyReading =
  | { readonly kind: "json"; readonly text: string; readonly json: unknown }
  | { readonly kind: "unreadable"; readonly why: string };

const BYTE_ORDER_MARK = 0xfeff;

export function readBody(body: Buffer): BodyReading {
  if (body.length === 0) return { kind: "unreadable", why: "it is empty" };
  const text = readText(body);
  if (text === null) return { kind: "unreadable", why: "it is not UTF-8" };
  try {
    return { kind: "json", text, json: JSON.parse(text) };
  } catch {
    return { kind: "unreadable", why: "it is not JSON" };
  }
}

/** A body as text without its byte order mark; null when it is not UTF-8. */
export function readText(body: Buffer): string | null {
  // Buffer.toString would replace what it can't decode, and the result would no longer be
  // what the upstream wrote.
  if (!isUtf8(body)) return null;
  const decoded = body.toString("utf8");
  return decoded.charCodeAt(0) === BYTE_ORDER_MARK ? decoded.slice(1) : decoded;
}
