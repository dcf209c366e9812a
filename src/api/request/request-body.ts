import { weighJson } from "../../core/json/json-weight.ts";
import { locateJsonError } from "../../core/json/json-syntax.ts";
import { refused } from "../http/problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";

/** A body as received and as parsed: raw parts are sliced from the text. */
export interface JsonBody {
  readonly text: string;
  readonly value: unknown;
}

const JSON_CONTENT_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?;?$/i;

/** A parsed body takes at most this many times its bytes; usual ones take less than half of it. */
export const PARSED_FACTOR_MAX = 16;
/** Smaller bodies are parsed unweighed: the worst of them takes a few mebibytes. */
const WEIGHED_BYTES_MIN = 64 * 1024;
const TOO_HEAVY =
  "The body has too many values for its size, or is nested too deeply; split it into " +
  "several requests, or send its content as text.";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a JSON body of at most `bytesMax`. Refuses a larger one by its header before reading, or as
 * soon as too many bytes have arrived.
 * @param beforeReading waits for a turn once the body has come; null when it has come at once
 */
export async function readJsonBody(
  request: Request,
  bytesMax: number,
  beforeReading?: () => Promise<void> | null,
): Promise<Outcome<JsonBody>> {
  const refusal = headerRefusal(request, bytesMax);
  if (refusal !== null) return refusal;
  let bytes: Uint8Array | null;
  try {
    bytes = await readBytes(request, bytesMax);
  } catch {
    return refused("incomplete_body", "The connection ended before the whole body had come.");
  }
  if (bytes === null) return tooLarge(bytesMax);
  await beforeReading?.();
  return parseJson(bytes);
}

function headerRefusal(request: Request, bytesMax: number): Refusal | null {
  const contentType = request.headers.get("content-type");
  if (contentType !== "application/json" && !JSON_CONTENT_TYPE.test(contentType ?? "")) {
    return refused("unsupported_media_type", "Send the header Content-Type: application/json.", {
      headers: { accept: "application/json" },
    });
  }
  if ((request.headers.get("content-encoding") ?? "identity") !== "identity") {
    return refused("unsupported_media_type", "Send the body without Content-Encoding.", {
      headers: { "accept-encoding": "identity" },
    });
  }
  const stated = request.headers.get("content-length");
  return stated !== null && Number(stated) > bytesMax ? tooLarge(bytesMax) : null;
}

/** The whole body, or null when it is larger than `bytesMax`. */
async function readBytes(request: Request, bytesMax: number): Promise<Uint8Array | null> {
  // The server cuts a body at its declared length, which has been checked.
  if (request.headers.has("content-length")) return new Uint8Array(await request.arrayBuffer());
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(bytes: Uint8Array): Outcome<JsonBody> {
  if (bytes.byteLength === 0) {
    return refused("malformed_json", "The body is empty; send a JSON object.");
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refused("malformed_json", "The body is not UTF-8; encode it so.");
  }
  if (isTooHeavy(bytes)) return refused("body_too_large", TOO_HEAVY);
  try {
    return { ok: true, value: { text, value: JSON.parse(text) as unknown } };
  } catch {
    return refused("malformed_json", syntaxDetail(text));
  }
}

function isTooHeavy(bytes: Uint8Array): boolean {
  if (bytes.byteLength < WEIGHED_BYTES_MIN) return false;
  return weighJson(bytes, bytes.byteLength * PARSED_FACTOR_MAX) !== "fits";
}

function syntaxDetail(text: string): string {
  const error = locateJsonError(text);
  if (error === null) return "The body is not valid JSON.";
  const { line, column, position, expected } = error;
  const found = text.codePointAt(position);
  return (
    `The body is not valid JSON at line ${line}, column ${column} (position ${position}): expected ` +
    `${expected}, found ${found === undefined ? "the end" : JSON.stringify(String.fromCodePoint(found))}.`
  );
}

function tooLarge(bytesMax: number): Refusal {
  return refused(
    "body_too_large",
    `The body is larger than ${bytesMax / 1024} KiB, the limit of this route.`,
  );
}
