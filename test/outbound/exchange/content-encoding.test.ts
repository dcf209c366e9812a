import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { describe, expect, test } from "vitest";
import { decodeBody } from "../../../src/outbound/exchange/content-encoding.ts";

const TEXT = '{"status":"done"}';
const MIB = 2 ** 20;
const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

function decode(encoding: string | string[], body: Buffer, bytesMax = 1024): string {
  const decoded = decodeBody({ "content-encoding": encoding }, body, bytesMax);
  return decoded.kind === "decoded" ? decoded.body.toString() : decoded.kind;
}

describe("a body", () => {
  test.each([
    ["gzip", gzipSync(TEXT)],
    ["x-gzip", gzipSync(TEXT)],
    ["GZip", gzipSync(TEXT)],
    ["deflate", deflateSync(TEXT)],
    ["deflate", deflateRawSync(TEXT)],
    ["br", brotliCompressSync(TEXT)],
    ["zstd", zstdCompressSync(TEXT)],
    ["gzip, br", brotliCompressSync(gzipSync(TEXT))],
    ["identity", Buffer.from(TEXT)],
    ["utf-8", Buffer.from(TEXT)],
  ])("a body in %s is decoded", (encoding, body) => {
    expect(decode(encoding, body)).toBe(TEXT);
  });

  test("a body with the header repeated is decoded from the last coding to the first", () => {
    expect(decode(["deflate", "gzip"], gzipSync(deflateSync(TEXT)))).toBe(TEXT);
  });

  test("a text body that claims to be compressed stays as it is", () => {
    expect(decode("gzip", Buffer.from(TEXT))).toBe(TEXT);
  });

  test.each([
    ["cut off", gzipSync("x".repeat(500)).subarray(0, 15)],
    ["of something else", Buffer.from([0x1f, 0x8b, 0xff, 0xff, 0xff])],
  ])("a body that %s can't be decoded", (_, body) => {
    expect(decode("gzip", body)).toBe("undecodable");
  });

  test("a body with too many codings is not decoded", () => {
    expect(decode("gzip,gzip,gzip,gzip,gzip", gzipSync(TEXT))).toBe("undecodable");
  });

  test.each([
    ["gzip", gzipSync],
    ["br", (body: Buffer) => brotliCompressSync(body, FAST)],
    ["zstd", zstdCompressSync],
  ])("a body in %s that expands beyond the limit is aborted at once", (encoding, compress) => {
    const bomb = compress(Buffer.alloc(64 * MIB));
    const before = process.memoryUsage().arrayBuffers;
    expect(decode(encoding, bomb, MIB)).toBe("too_large");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
  });
});
