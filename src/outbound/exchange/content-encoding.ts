import { isUtf8 } from "node:buffer";
import {
  brotliDecompressSync,
  constants,
  crc32,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
  type ZlibOptions,
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

/** Whether it begins as gzip does (RFC 1952 2.3). No text does, in any charset that JSON is written in. */
export function isGzip(body: Buffer): boolean {
  return body[0] === 0x1f && body[1] === 0x8b && body[2] === 8;
}

/**
 * Undoes the content encodings of a whole body (RFC 9110 8.4). Stops as soon as it has produced
 * more than `bytesMax`, so that a small body can't unfold into gigabytes. A body with an unknown
 * coding, or one that is text although it claims to be compressed, or compressed once more, is left as
 * it is. Gzip is also undone where nothing declares it, or a transfer coding does.
 */
export function decodeBody(headers: ResponseHeaders, body: Buffer, bytesMax: number): DecodedBody {
  const declared = contentEncodings(headers);
  const encodings = declared.length === 0 && isGzip(body) ? ["gzip"] : declared;
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
      if (isUtf8(decoded)) break;
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
      return gunzip(body, limit);
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

type OutputLimit = Required<Pick<ZlibOptions, "maxOutputLength">>;

function gunzip(body: Buffer, limit: OutputLimit): Buffer {
  try {
    return gunzipSync(body, limit);
  } catch (error) {
    const data = isTooLarge(error) ? null : firstMember(body, limit);
    if (data === null) throw error;
    return data;
  }
}

/**
 * As browsers read gzip: what comes after the data is ignored, even where the checksum was cut off. One that
 * is there has to be right. Null when there is no whole data.
 */
function firstMember(body: Buffer, limit: OutputLimit): Buffer | null {
  const start = isGzip(body) ? endOfGzipHeader(body) : body.length;
  try {
    const options = { ...limit, info: true } as const;
    // The types of Node know only the result without `info`.
    const { buffer, engine } = inflateRawSync(body.subarray(start), options) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    const trailer = body.subarray(start + engine.bytesWritten);
    const isRight = trailer.length < 4 || trailer.readUInt32LE(0) === crc32(buffer);
    return isRight ? buffer : null;
  } catch (error) {
    if (isTooLarge(error)) throw error;
    return null;
  }
}

/** RFC 1952 2.3.1. */
function endOfGzipHeader(body: Buffer): number {
  const flags = body[3] ?? 0;
  let at = 10;
  if (flags & 0b0_0100) at += 2 + (body[at] ?? 0) + ((body[at + 1] ?? 0) << 8);
  if (flags & 0b0_1000) at = endOfText(body, at);
  if (flags & 0b1_0000) at = endOfText(body, at);
  return flags & 0b0_0010 ? at + 2 : at;
}

function endOfText(body: Buffer, at: number): number {
  const end = body.indexOf(0, at);
  return end === -1 ? body.length : end + 1;
}

/** RFC 1950 2.2. */
function hasZlibHeader(body: Buffer): boolean {
  return body.length >= 2 && ((body[0] ?? 0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}
