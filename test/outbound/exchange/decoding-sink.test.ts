import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { DecodingSink } from "../../../src/outbound/exchange/decoding-sink.ts";
import type { RequestOutcome } from "../../../src/outbound/exchange/request-outcome.ts";
import { get, openClient, serveHttp } from "../local-servers.ts";

const MIB = 2 ** 20;
const BODY = Buffer.from(Array.from({ length: 200_000 }, (_, index) => `line ${index}\n`).join(""));

/** Downloads this with that content encoding, as far as `bytesMax`. */
async function download(encoding: string, sent: Buffer, bytesMax = 4 * MIB) {
  const server = await serveHttp((_request, response) =>
    response.setHeader("content-encoding", encoding).end(sent),
  );
  const taken: Buffer[] = [];
  const sink = new DecodingSink(
    {
      take(chunk) {
        taken.push(Buffer.from(chunk));
        return taken.length % 2 === 0 ? null : new Promise((resolve) => setImmediate(resolve));
      },
    },
    bytesMax,
  );
  const request = get(server.origin, { sink, responseBytesMax: bytesMax, timeoutMs: 60_000 });
  const outcome = await openClient().send(request);
  return { outcome, sink, body: () => Buffer.concat(taken) };
}

function codeOf(outcome: RequestOutcome): string {
  return outcome.kind === "failed" ? outcome.failure.code : String(outcome.status);
}

describe("a download", () => {
  test.each([
    ["gzip", gzipSync(BODY)],
    ["gzip, zstd", zstdCompressSync(gzipSync(BODY))],
    ["br", brotliCompressSync(BODY.subarray(0, MIB))],
  ])("a download in %s is decoded as it comes", async (encoding, sent) => {
    const { outcome, sink, body } = await download(encoding, sent);
    await sink.end();
    expect(codeOf(outcome)).toBe("200");
    expect(sink.decodes).toBe(true);
    expect(body().equals(BODY.subarray(0, encoding === "br" ? MIB : BODY.length))).toBe(true);
  });

  test("a download in an unknown coding is passed on as it is", async () => {
    const { sink, body } = await download("aws-chunked", BODY);
    await sink.end();
    expect(sink.decodes).toBe(false);
    expect(body().equals(BODY)).toBe(true);
  });

  test("a download that expands beyond the limit stops at the limit", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const { outcome, sink, body } = await download("gzip", bomb, MIB);
    const end = sink.end().catch((error: unknown) => error);
    expect([codeOf(outcome), (await end) as object]).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: "body_too_large" })]),
    );
    expect(body().length).toBeLessThanOrEqual(MIB);
  });

  test("a download that is cut off is not complete", async () => {
    const { outcome, sink } = await download("gzip", gzipSync(BODY).subarray(0, -20));
    expect(codeOf(outcome)).toBe("200");
    await expect(sink.end()).rejects.toMatchObject({ code: "invalid_response" });
  });
});
