import { chownSync, copyFileSync, statSync, chmodSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { openDatabase } from "../../../src/store/db/database.ts";
import { queryOnce, useDataDir } from "../../support/data-dir.ts";
import { quietLog } from "../../support/quiet-log.ts";

vi.setConfig({ testTimeout: 120_000 });

const CERTIFICATE = resolve(import.meta.dirname, "../fixtures/localhost.pem");
const OTHER_AUTHORITY = resolve(import.meta.dirname, "../../outbound/fixtures/authority.pem");

interface Session {
  readonly ssl: boolean;
}

/** Opens the database as the gateway does, and says whether its session is under TLS. */
async function connect(url: string, parameters = "", host = "127.0.0.1"): Promise<Session[]> {
  const full = new URL(url + parameters);
  full.hostname = host;
  const database = await openDatabase({
    url: full.href,
    connectionsMax: 1,
    statementTimeoutMs: 10_000,
    connectForMs: 20_000,
    applicationName: "tls",
    log: quietLog,
  });
  try {
    return await database.run("ssl", async (sql) => [
      ...(await sql.unsafe<Session[]>("select ssl from pg_stat_ssl where pid = pg_backend_pid()")),
    ]);
  } finally {
    await database.close(1_000);
  }
}

const rootcert = (file: string): string => `&sslrootcert=${encodeURIComponent(file)}`;

const directory = useDataDir();

/** A Postgres of its own whose certificate is for `localhost` alone. */
async function startWithTls(): Promise<string> {
  await directory.fill();
  const { url } = await directory.start();
  const file = join(directory.data, "server.pem");
  copyFileSync(CERTIFICATE, file);
  const { uid, gid } = statSync(directory.data);
  chownSync(file, uid, gid);
  chmodSync(file, 0o600);
  await queryOnce(url, "alter system set ssl_cert_file = 'server.pem'");
  await queryOnce(url, "alter system set ssl_key_file = 'server.pem'");
  await queryOnce(url, "alter system set ssl = on");
  await queryOnce(url, "select pg_reload_conf()");
  await vi.waitFor(async () => expect(await queryOnce(url, "show ssl")).toEqual([{ ssl: "on" }]), {
    timeout: 60_000,
    interval: 50,
  });
  return url;
}

test("a server with TLS is reached as sslmode and sslrootcert say, and refused unless it is whom they name", async () => {
  const url = await startWithTls();
  const ours = rootcert(CERTIFICATE);
  for (const [parameters, ssl] of [
    ["?sslmode=require", true],
    ["?sslmode=prefer", true],
    ["?sslmode=disable", false],
    ["", false],
    [`?sslmode=verify-ca${ours}`, true],
    [`?sslmode=require${ours}`, true],
  ] as const) {
    expect([parameters, await connect(url, parameters)]).toEqual([parameters, [{ ssl }]]);
  }
  const full = `?sslmode=verify-full${ours}`;
  expect(await connect(url, full, "localhost")).toEqual([{ ssl: true }]);
  await expect(connect(url, full)).rejects.toThrow(/altnames|does not match/);
  const others = rootcert(OTHER_AUTHORITY);
  for (const parameters of [
    "?sslmode=verify-full",
    "?ssl=true",
    `?sslmode=verify-full${others}`,
    `?sslmode=verify-ca${others}`,
    `?sslmode=require${others}`,
  ]) {
    await expect(connect(url, parameters, "localhost")).rejects.toThrow(/self-signed certificate/);
  }
});

test.each(["require", "verify-ca", "verify-full"])(
  "a server without TLS is refused with sslmode=%s, in words that say so",
  async (mode) => {
    const connecting = connect(inject("postgresUrl"), `?sslmode=${mode}`);
    await expect(connecting).rejects.toThrow(`has no TLS, which sslmode=${mode} asks for`);
  },
);

test("a server without TLS is used with sslmode=prefer", async () => {
  expect(await connect(inject("postgresUrl"), "?sslmode=prefer")).toEqual([{ ssl: false }]);
});

/** A server that sends this to every client once it has said something. */
async function serverThatSays(bytes: Buffer): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(bytes));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/x`;
}

test("bytes that arrive together with the answer to the TLS request are not taken for the server's", async () => {
  const url = await serverThatSays(Buffer.from("Sinjected"));
  await expect(connect(url, "?sslmode=require")).rejects.toThrow("answer to TLS is odd");
});

function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

function authentication(kind: number, text = ""): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(kind);
  return message("R", Buffer.concat([body, Buffer.from(text)]));
}

// An unhandled rejection fails the run, as it would end the gateway.
describe("a server whose authentication can't be answered is refused, and ends nothing", () => {
  test.each<[string, Buffer, RegExp]>([
    ["has no kind", message("R", Buffer.alloc(0)), /too short/],
    ["is Kerberos", authentication(7), /GSSAPI/],
    ["is of an unknown kind", authentication(99), /asks for/],
    ["is MD5 without a salt", authentication(5), /salt/],
    ["is SASL without SCRAM", authentication(10, "OAUTHBEARER\0\0"), /SCRAM-SHA-256/],
    ["is a challenge of nothing", authentication(11), /nonce/],
    ["is a challenge without salt", authentication(11, "r=abc,i=4096"), /salt/],
    ["is a challenge without iterations", authentication(11, "r=abc,s=AAAA"), /iterations/],
    ["is a challenge of zero iterations", authentication(11, "r=a,s=AAAA,i=0"), /iterations/],
    ["would take for hours", authentication(11, "r=a,s=AAAA,i=2000000000"), /iterations/],
    ["is longer than any", Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff]), /length/],
  ])(
    "a server whose authentication can't be answered is refused, and ends nothing: one that %s",
    async (_, bytes, reason) => {
      await expect(connect(await serverThatSays(bytes))).rejects.toThrow(reason);
    },
  );

  test("a server with any unknown authentication is refused, and ends nothing", async () => {
    const kinds = fc.constantFrom(0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 4_294_967_295);
    await fc.assert(
      fc.asyncProperty(kinds, fc.string({ maxLength: 20 }), async (kind, text) => {
        fc.pre(kind !== 0 && kind !== 3 && kind !== 12);
        const url = await serverThatSays(authentication(kind, text));
        fc.pre(!text.includes("SCRAM-SHA-256") && !(kind === 5 && text.length >= 4));
        await expect(connect(url)).rejects.toThrow(/authentication|asks for/);
      }),
      { numRuns: 20 },
    );
  });
});
