import { isUtf8 } from "node:buffer";
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib";
import type { ResponseHeaders } from "./request-outcome.ts";

/** A body without its content encoding, or why it can't be decoded. */
type DecodedBody =
  | { readonly kind: "decoded"; readonly body: Buffer }
  | { readonly kind: "too_large" }
  | { readonly kind: "undecodable"; readonly why: string };

/** RFC 9659: a content encoding needs no larger window. */
export const ZSTD_WINDOW_LOG_MAX = 23;
export const ENCODINGS_MAX = 4;

/** The codings that a body went through, last one first; empty for an unencoded body. */
export function contentEncodings({ "content-encoding": value }: ResponseHeaders): string[] {
  if (value === undefined) return [];
  const list = typeof value === "string" ? value : value.join(",");
  const names = list.split(",").map((name) => name.trim().toLowerCase());
  return names.filter((name) => name !== "" && name !== "identity").reverse();
}

/**
 * Undoes the content encodings of a whole body (RFC 9110 8.4). Stops as soon as it has produced
 * more than `bytesMax`, so that a small body can't unfold into gigabytes. A body with an unknown
 * coding, or one that is text although it claims to be compressed, is left as it is.
 */
export function decodeBody(headers: ResponseHeaders, body: Buffer, bytesMax: number): DecodedBody {
  const encodings = contentEncodings(headers);
  if (encodings.length > ENCODINGS_MAX) {
    return { kind: "undecodable", why: `it went through ${encodings.length} content encodings` };
  }
  let decoded = body;
  for (const encoding of encodings) {
    if (decoded.length === 0) break;
    try {
      decoded = decodeOne(encoding, decoded, bytesMax);
    } catch (error) {
      if (isTooLarge(error)) return { kind: "too_large" };
      if (isUtf8(body)) return { kind: "decoded", body };
      return { kind: "undecodable", why: `it can't be decoded as ${encoding}` };
    }
  }
  return { kind: "decoded", body: decoded };
}

function decodeOne(encoding: string, body: Buffer, bytesMax: number): Buffer {
  const limit = { maxOutputLength: bytesMax };
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return gunzipSync(body, limit);
    case "deflate":
      // Some send the bare format, without the header that the standard requires.
      return hasZlibHeader(body) ? inflateSync(body, limit) : inflateRawSync(body, limit);
    case "br":
      return brotliDecompressSync(body, limit);
    case "zstd":
      return zstdDecompressSync(body, {
        ...limit,
        params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      });
    default:
      return body;
  }
}

/** RFC 1950 2.2. */
function hasZlibHeader(body: Buffer): boolean {
  return body.length >= 2 && ((body[0] ?? 0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}
