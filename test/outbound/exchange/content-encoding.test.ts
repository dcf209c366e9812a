import {
  brotliCompressSync,
  constants,
  crc32,
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

/** RFC 1952 2.3: the flags FHCRC, FEXTRA, FNAME and FCOMMENT, each with its field. */
function withAllFields(behind: string): Buffer {
  const plain = gzipSync(TEXT);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 0b1_1110;
  const fields = Buffer.from("\x02\x00abname\0comment\0", "latin1");
  const check = Buffer.alloc(2);
  check.writeUInt16LE(crc32(Buffer.concat([header, fields])) & 0xffff);
  return Buffer.concat([header, fields, check, plain.subarray(10), Buffer.from(behind)]);
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

  test.each<[what: string, encoding: string, body: Buffer]>([
    [
      "gzip with a line break behind it",
      "gzip",
      Buffer.concat([gzipSync(TEXT), Buffer.from("\r\n")]),
    ],
    [
      "gzip with other bytes behind it",
      "gzip",
      Buffer.concat([gzipSync(TEXT), Buffer.alloc(9, 7)]),
    ],
    ["gzip without its checksum", "gzip", gzipSync(TEXT).subarray(0, -8)],
    ["gzip with half of its checksum", "gzip", gzipSync(TEXT).subarray(0, -6)],
    [
      "gzip with every field in its header, and a line break behind it",
      "gzip",
      withAllFields("\n"),
    ],
    ["gzip that is declared twice", "gzip, gzip", gzipSync(TEXT)],
    ["gzip of a text that is declared to be br as well", "br, gzip", gzipSync(TEXT)],
  ])("a body in %s is decoded as it is meant", (_, encoding, body) => {
    expect(decode(encoding, body)).toBe(TEXT);
  });

  test("a body in gzip is decoded although nothing declares it", () => {
    const decoded = decodeBody({}, gzipSync(TEXT), 1024);
    expect(decoded).toEqual({ kind: "decoded", body: Buffer.from(TEXT) });
    expect(decodeBody({}, gzipSync(Buffer.alloc(MIB)), 1024)).toEqual({ kind: "too_large" });
    expect(decodeBody({}, Buffer.from(TEXT), 1024)).toEqual(decoded);
  });

  test("a body in gzip whose checksum is wrong can't be decoded, whatever comes behind it", () => {
    const wrong = gzipSync(TEXT);
    wrong.writeUInt32LE(7, wrong.length - 8);
    expect(decode("gzip", wrong)).toBe("undecodable");
    expect(decode("gzip", Buffer.concat([wrong, Buffer.from("\n")]))).toBe("undecodable");
  });

  test("a body in gzip with bytes behind it expands no further than the limit", () => {
    const bomb = Buffer.concat([gzipSync(Buffer.alloc(64 * MIB)), Buffer.from("\n")]);
    expect(decode("gzip", bomb, MIB)).toBe("too_large");
    expect(decode("gzip", bomb.subarray(0, -9), MIB)).toBe("too_large");
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
