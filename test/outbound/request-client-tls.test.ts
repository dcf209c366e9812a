import { readFileSync } from "node:fs";
import { createServer, type ServerOptions } from "node:https";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { AddressLookup } from "../../src/outbound/names/name-resolver.ts";
import { createAddressGuard } from "../../src/outbound/guard/address-guard.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { get, listen, openClient, serveHttp, serveTcp } from "./local-servers.ts";
import type { LocalServer } from "./local-servers.ts";

// The certificates and how they were made: fixtures/make-certificates.sh
function fixture(name: string): Buffer {
  return readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url));
}

const builtIn = getCACertificates("default");
beforeAll(() => setDefaultCACertificates([...builtIn, fixture("authority").toString()]));
afterAll(() => setDefaultCACertificates(builtIn));

const toLoopback: AddressLookup = () => Promise.resolve(["127.0.0.1"]);

function serveTls(certificate: string, options: ServerOptions = {}): Promise<LocalServer> {
  const pem = fixture(certificate);
  return listen(
    createServer({ key: pem, cert: pem, ...options }, (request, response) => {
      response.end(`${request.headers.host} ${String(Reflect.get(request.socket, "servername"))}`);
    }),
  );
}

async function sendTo(server: LocalServer): Promise<RequestOutcome> {
  return openClient({ lookup: toLoopback }).send(get(`https://receiver.test:${server.port}`));
}

test("a valid certificate is accepted; Host and SNI keep the name", async () => {
  const server = await serveTls("valid");
  expect(await sendTo(server)).toMatchObject({
    kind: "answered",
    status: 200,
    body: Buffer.from(`receiver.test:${server.port} receiver.test`),
  });
});

test.each([
  ["expired", "tls_certificate_expired"],
  ["self-signed", "tls_certificate_self_signed"],
  ["other-name", "tls_certificate_name_mismatch"],
])("a certificate that is %s is %s", async (certificate, code) => {
  const outcome = await sendTo(await serveTls(certificate));
  expect(outcome).toMatchObject({ kind: "failed", failure: { code } });
});

test("a certificate of an untrusted authority is tls_certificate_untrusted", async () => {
  setDefaultCACertificates(builtIn);
  onTestFinished(() => setDefaultCACertificates([...builtIn, fixture("authority").toString()]));
  expect(await sendTo(await serveTls("valid"))).toMatchObject({
    kind: "failed",
    failure: { code: "tls_certificate_untrusted" },
  });
});

test("a server that leaves out its intermediate certificate is told to send its full chain", async () => {
  expect(await sendTo(await serveTls("no-intermediate"))).toMatchObject({
    failure: {
      code: "tls_certificate_untrusted",
      message: expect.stringMatching(
        /leaves out the intermediate.*UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
      ),
    },
  });
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "a server that demands a client certificate over %s is said to do so",
  async (version) => {
    const server = await serveTls("valid", {
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: version,
      maxVersion: version,
    });
    expect(await sendTo(server)).toMatchObject({
      kind: "failed",
      failure: { message: expect.stringContaining("demand") },
    });
    expect(await sendTo(server)).toMatchObject({
      failure: { message: expect.stringContaining("client certificate") },
    });
  },
);

test("the operator's exemption from the address rules does not exempt from certificates", async () => {
  const server = await serveTls("other-name");
  const hostPorts = [{ host: "receiver.test", port: server.port }];
  const client = openClient({
    guard: createAddressGuard({ cidrs: [], hostPorts }),
    lookup: toLoopback,
    trusts: () => true,
  });
  expect(await client.send(get(`https://receiver.test:${server.port}`))).toMatchObject({
    failure: { code: "tls_certificate_name_mismatch" },
  });
});

test("tls_failed: the port speaks plain HTTP", async () => {
  const server = await serveHttp((_, response) => response.end());
  expect(await sendTo(server)).toMatchObject({ failure: { code: "tls_failed" } });
});

test("connection_reset: the connection ends in the handshake", async () => {
  const server = await serveTcp((socket) => socket.resetAndDestroy());
  expect(await sendTo(server)).toMatchObject({ failure: { code: "connection_reset" } });
});
