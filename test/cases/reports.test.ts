import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";
import type { Server } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen } from "../outbound/local-servers.ts";
import { readDefinition } from "../../src/providers/compile/read-definition.ts";
import { startSocketPoller } from "../polling/socket-harness.ts";
import { BODIES } from "./bodies.ts";
import { PASSING_ANSWERS } from "./passing-answers.ts";
import { deliver, openPatientClient, receiverThat } from "./receiver-walk.ts";
import { RECEIVERS } from "./receivers.ts";
import { SHAPES } from "./shapes.ts";
import { BASE, walk } from "./upstream-walk.ts";
import { WAITS } from "./waits.ts";
import { WIRE } from "./wire.ts";
import { WORDS_AND_DIGITS } from "./words-and-digits.ts";

/*
 * Small inputs that failed for people who poll jobs or receive webhooks, by the public reports that
 * tell the whole story, each with what must come of it. An entry stands for its kind.
 */

describe("an upstream as people reported it", () => {
  test.each([...PASSING_ANSWERS, ...WAITS, ...WORDS_AND_DIGITS, ...BODIES, ...SHAPES])(
    "$title",
    async (one) => {
      const { ended, lastError, requests, waitedMs, isPaused } = await walk(one);
      expect(Object.keys(ended)).toEqual(Object.keys(one.ends ?? {}));
      expect(ended).toMatchObject(one.ends ?? {});
      expect(isPaused).toBe(one.isPaused ?? false);
      if (one.says !== undefined) expect(lastError ?? "nothing").toMatch(one.says);
      if (one.requests !== undefined) expect(requests).toEqual(one.requests);
      const [leastMs, mostMs] = one.waitsMs ?? [0, Infinity];
      expect(waitedMs).toBeGreaterThanOrEqual(leastMs);
      expect(waitedMs).toBeLessThanOrEqual(mostMs);
    },
  );

  // SillyTavern/SillyTavern#5790, philpax/rucomfyui#4
  test.each([
    ["a pointer", { all: [{ pointer: "/{job_id}/status", eq: true }] }, "/rules/0/all/0/pointer"],
    ["a value", { all: [{ pointer: "/id", eq: "{job_id}" }] }, "/rules/0/all/0/eq"],
    ["a value", { all: [{ pointer: "/id", in: ["{params.id}"] }] }, "/rules/0/all/0/in/0"],
  ])("a placeholder in %s, which would be taken literally, is refused: %j", (_, rule, pointer) => {
    const rules = [{ ...rule, observe: "completed" }];
    expect(readDefinition({ ...BASE, rules })).toMatchObject({
      ok: false,
      problems: [{ pointer, detail: expect.stringContaining("status.job_at") }],
    });
  });

  test.each(WIRE)("$title", async ({ answer }) => {
    const { add, ending } = await startSocketPoller();
    expect(await ending(add((socket) => socket.write(answer)))).toMatchObject({
      type: "job.completed",
      result: "1",
    });
  });
});

describe("a receiver as people reported it", () => {
  test.each(RECEIVERS)("$title", async (one) => {
    const { url, heard } = await receiverThat(one.behaves);
    const { attempts, waitS } = await deliver(url, one);
    expect(attempts).toMatchObject(one.attempts);
    expect(attempts).toHaveLength(one.attempts.length);
    if (one.waitsS !== undefined) {
      expect(waitS).toBeGreaterThanOrEqual(one.waitsS[0]);
      expect(waitS).toBeLessThanOrEqual(one.waitsS[1]);
    }
    expect(heard).toHaveLength(one.heard ?? heard.length);
    expect(new Set(heard.map(({ webhookId }) => webhookId)).size).toBe(1);
    expect(heard.at(-1)?.data).toMatchObject(one.data ?? {});
  });

  // emqxarchive/emqx-web-hook#270 to #272, InsForge/InsForge#1813
  test("a kept-alive connection that is found dead costs no attempt: the same callback is sent at once on a new one", async () => {
    const client = openPatientClient();
    const { url, heard } = await receiverThat([
      { status: 200 },
      (request) => request.socket.destroy(),
      { status: 200 },
    ]);
    await deliver(url, {}, client);
    const { attempts } = await deliver(url, {}, client);
    expect(attempts).toMatchObject([{ status: "delivered", httpStatus: 200 }]);
    const [, lost, repeated] = heard;
    expect(repeated).toEqual(lost);
    expect(heard).toHaveLength(3);
  });
});

// The certificates and how they were made: test/outbound/fixtures/make-certificates.sh
function fixture(name: string): Buffer {
  return readFileSync(new URL(`../outbound/fixtures/${name}.pem`, import.meta.url));
}

describe("a receiver behind TLS", () => {
  const builtIn = getCACertificates("default");
  beforeAll(() => setDefaultCACertificates([...builtIn, fixture("authority").toString()]));
  afterAll(() => setDefaultCACertificates(builtIn));

  const attemptAt = async (server: Server) => {
    const { port } = await listen(server);
    const client = openPatientClient({ lookup: () => Promise.resolve(["127.0.0.1"]) });
    const { attempts } = await deliver(`https://receiver.test:${port}/hook`, {}, client);
    return attempts[0];
  };

  // TryGhost/Ghost#11001, nodejs/node#33705
  test("a receiver that leaves out its intermediate certificate is told so by name", async () => {
    const pem = fixture("no-intermediate");
    expect(await attemptAt(createServer({ key: pem, cert: pem }))).toMatchObject({
      errorCode: "tls_certificate_untrusted",
      errorMessage: expect.stringContaining("leaves out the intermediate"),
    });
  });

  test("a receiver that demands a client certificate is told so by name", async () => {
    const pem = fixture("valid");
    const demanding = {
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion: "TLSv1.2",
    } as const;
    expect(await attemptAt(createServer({ key: pem, cert: pem, ...demanding }))).toMatchObject({
      errorMessage: expect.stringContaining("client certificate"),
    });
  });

  test("a receiver that speaks HTTP/2 only is told that no protocol was agreed on", async () => {
    const pem = fixture("valid");
    const server = createSecureServer({ key: pem, cert: pem, allowHTTP1: false });
    expect(await attemptAt(server)).toMatchObject({
      errorCode: "tls_failed",
      errorMessage: expect.stringMatching(/NO_APPLICATION_PROTOCOL/i),
    });
  });

  test("a receiver that speaks TLS 1.1 only is told that its version is not supported", async () => {
    const pem = fixture("valid");
    const old = {
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    } as const;
    expect(await attemptAt(createServer({ key: pem, cert: pem, ...old }))).toMatchObject({
      errorCode: "tls_failed",
      errorMessage: expect.stringMatching(/PROTOCOL_VERSION/i),
    });
  });
});
