import { describe, expect, test, vi } from "vitest";
import { get, openClient, serveHttp } from "./local-servers.ts";

/** Takes chunks, and holds the sender back while `gate` is closed. */
function sink() {
  const taken: Buffer[] = [];
  let open: (() => void) | null = null;
  return {
    taken,
    get bytes(): number {
      return taken.reduce((sum, chunk) => sum + chunk.length, 0);
    },
    holdBack: false,
    letGo(): void {
      this.holdBack = false;
      open?.();
    },
    take(chunk: Buffer): Promise<void> | null {
      taken.push(Buffer.from(chunk));
      if (!this.holdBack) return null;
      return new Promise<void>((resolve) => {
        open = resolve;
      });
    },
  };
}

const MEBIBYTE = 2 ** 20;

describe("a body that is taken as it comes", () => {
  test("a streamed body arrives whole and is not kept", async () => {
    const body = Buffer.alloc(3 * MEBIBYTE, "abc");
    const server = await serveHttp((_request, response) => response.end(body));
    const into = sink();
    const outcome = await openClient().send(
      get(server.origin, { sink: into, responseBytesMax: 4 * MEBIBYTE, whenLarger: "fail" }),
    );
    expect(outcome).toMatchObject({ kind: "answered", status: 200, body: Buffer.alloc(0) });
    expect(Buffer.concat(into.taken).equals(body)).toBe(true);
  });

  test("a streamed body is held back at its sender while it is not consumed", async () => {
    const body = Buffer.alloc(64 * MEBIBYTE);
    let ended = false;
    const server = await serveHttp((_request, response) => {
      response.end(body, () => {
        ended = true;
      });
    });
    const into = sink();
    into.holdBack = true;
    const sent = openClient().send(
      get(server.origin, { sink: into, responseBytesMax: 65 * MEBIBYTE, whenLarger: "fail" }),
    );
    await vi.waitFor(() => expect(into.taken).toHaveLength(1), { timeout: 60_000 });
    // Another exchange on the same machine comes and goes at the same time.
    await openClient().send(get((await serveHttp((_, response) => response.end("x"))).origin));
    expect(into.taken).toHaveLength(1);
    expect(ended).toBe(false);
    into.letGo();
    expect(await sent).toMatchObject({ kind: "answered" });
    expect(into.bytes).toBe(64 * MEBIBYTE);
  });

  test("a streamed body is never larger than allowed, declared or not", async () => {
    const declared = await serveHttp((_request, response) => response.end(Buffer.alloc(2000)));
    const endless = await serveHttp((_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1000)));
        response.once("drain", more);
      };
      more();
    });
    for (const { origin } of [declared, endless]) {
      const into = sink();
      const outcome = await openClient().send(
        get(origin, { sink: into, responseBytesMax: 1500, whenLarger: "fail" }),
      );
      expect(outcome).toMatchObject({ kind: "failed", failure: { code: "body_too_large" } });
    }
  });

  test("a body of an answer other than 2xx is not streamed", async () => {
    const server = await serveHttp((_request, response) =>
      response.writeHead(410).end("used up".repeat(10_000)),
    );
    const into = sink();
    const outcome = await openClient().send(get(server.origin, { sink: into }));
    expect(outcome).toMatchObject({ kind: "answered", status: 410, truncated: true });
    expect(into.taken).toEqual([]);
  });

  test("a streamed body that breaks off is a failure", async () => {
    const server = await serveHttp((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    const into = sink();
    const outcome = await openClient().send(
      get(server.origin, { sink: into, responseBytesMax: 1000, whenLarger: "fail" }),
    );
    expect(outcome).toMatchObject({ kind: "failed", failure: { code: "connection_reset" } });
    expect(into.bytes).toBe(4);
  });

  test("a streamed body that can't be consumed fails the exchange", async () => {
    const server = await serveHttp((_request, response) => response.end(Buffer.alloc(1000)));
    const full = { take: () => Promise.reject(new Error("no room")) };
    const outcome = await openClient().send(
      get(server.origin, { sink: full, responseBytesMax: 2000, whenLarger: "fail" }),
    );
    expect(outcome).toMatchObject({ kind: "failed", failure: { code: "aborted" } });
  });
});
