import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { type AddressGuard, createAddressGuard } from "../../src/outbound/guard/address-guard.ts";
import type { AddressLookup } from "../../src/outbound/names/name-resolver.ts";
import { ProjectGuards } from "../../src/outbound/guard/project-guards.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { blockedIpv4, embeddingForms, ipv4Text } from "./addresses.ts";
import { get, openClient, post, serveHttp } from "./local-servers.ts";
import { CallbackUrlChecker } from "../../src/outbound/guard/callback-url.ts";

const ACME = "0190a000-0000-7000-8000-000000000001";
const OTHER = "0190a000-0000-7000-8000-000000000002";
const strict = createAddressGuard({ cidrs: [], hostPorts: [] });

function codeOf(outcome: RequestOutcome): string {
  return outcome.kind === "failed" ? outcome.failure.code : `answered ${outcome.status}`;
}

function answering(...addresses: readonly string[]): AddressLookup {
  return () => Promise.resolve(addresses);
}

describe("a connection is refused before it is made", () => {
  test("no connection is made to a name that was public when accepted and is private now", async () => {
    const server = await serveHttp((_, response) => response.end());
    const url = `https://receiver.test:${server.port}`;
    const checker = new CallbackUrlChecker(
      () => strict,
      () => false,
      { peek: () => ({ kind: "found", addresses: ["93.184.215.14"] }) },
    );

    expect(checker.check(ACME, url)).toMatchObject({ ok: true, warnings: [] });
    const client = openClient({ guard: strict, lookup: answering("127.0.0.1") });
    const outcome = await client.send(post(url));

    expect(outcome).toMatchObject({
      kind: "failed",
      failure: {
        code: "address_refused",
        message: expect.stringMatching(/receiver\.test .*not public/),
      },
    });
    expect(server.sockets).toHaveLength(0);
  });

  test.each([
    [["93.184.215.14", "127.0.0.1"]],
    [["127.0.0.1", "93.184.215.14"]],
    [["::ffff:127.0.0.1"]],
    [["64:ff9b::7f00:1"]],
  ])(
    "no connection is made to a name whose addresses include a private one: %j",
    async (addresses) => {
      const server = await serveHttp((_, response) => response.end());
      const client = openClient({ guard: strict, lookup: answering(...addresses) });
      expect(codeOf(await client.send(post(`https://receiver.test:${server.port}`)))).toBe(
        "address_refused",
      );
      expect(server.sockets).toHaveLength(0);
    },
  );

  test("no connection is made to a private literal, which no lookup ever sees", async () => {
    const lookup = vi.fn<AddressLookup>(answering("93.184.215.14"));
    const client = openClient({ guard: strict, lookup });
    await fc.assert(
      fc.asyncProperty(blockedIpv4, fc.constantFrom(...embeddingForms), async (octets, form) => {
        for (const host of [ipv4Text(octets), `[${form.hexadecimal(octets)}]`]) {
          expect(codeOf(await client.send(post(`https://${host}:8443`)))).toBe("address_refused");
        }
      }),
    );
    expect(lookup).not.toHaveBeenCalled();
  });

  test("no connection is made over http, on a low port or by a private name, whatever its address", async () => {
    const client = openClient({ lookup: answering("93.184.215.14") });
    expect(codeOf(await client.send(post("http://receiver.test")))).toBe("address_refused");
    expect(codeOf(await client.send(post("https://receiver.test:25")))).toBe("address_refused");
    expect(codeOf(await client.send(post("https://receiver.internal")))).toBe("address_refused");
    expect(codeOf(await client.send(post("https://receiver")))).toBe("address_refused");
  });
});

test("the address of the open socket is checked again before anything is sent", async () => {
  const requests: string[] = [];
  const server = await serveHttp((request, response) => {
    requests.push(request.url ?? "");
    response.end();
  });
  let asked = 0;
  const changingItsMind: AddressGuard = { ...strict, exemptsAddress: () => ++asked === 1 };
  const outcome = await openClient({ guard: changingItsMind }).send(post(server.origin));
  expect(codeOf(outcome)).toBe("address_refused");
  await vi.waitFor(() => expect(server.sockets).toHaveLength(1), { timeout: 60_000 });
  expect(requests).toEqual([]);
});

describe("targets that the operator allows", () => {
  test("an exempt host:port is reached on that port only, and the Host header keeps the name", async () => {
    const server = await serveHttp((request, response) => response.end(request.headers.host));
    const other = await serveHttp((_, response) => response.end());
    const guard = createAddressGuard({
      cidrs: [],
      hostPorts: [{ host: "receiver", port: server.port }],
    });
    const client = openClient({ guard, lookup: answering("127.0.0.1") });
    expect(await client.send(get(`http://receiver:${server.port}`))).toMatchObject({
      kind: "answered",
      body: Buffer.from(`receiver:${server.port}`),
    });
    expect(codeOf(await client.send(get(`http://receiver:${other.port}`)))).toBe("address_refused");
  });

  test("an exempt CIDR lets localhost be reached without asking a resolver that could lie", async () => {
    const server = await serveHttp((_, response) => response.end());
    const client = openClient({ lookup: answering("93.184.215.14") });
    expect(codeOf(await client.send(get(`http://localhost:${server.port}`)))).toBe("answered 200");
  });

  test("a trusted origin is reached, and no other origin on the same host", async () => {
    const server = await serveHttp((_, response) => response.end());
    const other = await serveHttp((_, response) => response.end());
    const client = openClient({
      guard: strict,
      trusts: ({ origin, path }) => origin === server.origin && path === "/inbox",
    });
    const trusted = await client.send(get(server.origin, { path: "/inbox" }));
    expect(codeOf(trusted)).toBe("answered 200");
    expect(codeOf(await client.send(get(other.origin, { path: "/inbox" })))).toBe(
      "address_refused",
    );
    // The connection that is open is not for requests that are not trusted.
    expect(codeOf(await client.send(get(server.origin, { path: "/admin" })))).toBe(
      "address_refused",
    );
    expect(server.sockets).toHaveLength(1);
  });

  test("a project's own exemption applies to no other project, also on an open connection", async () => {
    const server = await serveHttp((_, response) => response.end());
    const guards = new ProjectGuards(
      {
        everybody: { cidrs: [], hostPorts: [] },
        projects: [
          {
            project: "acme",
            allow: { cidrs: [{ address: "127.0.0.0", prefixBits: 8 }], hostPorts: [] },
          },
        ],
      },
      (projectId) => (projectId === ACME ? "acme" : "other"),
    );
    const client = openClient({ guardOf: (projectId) => guards.of(projectId) });
    const send = (projectId: string) => client.send(get(server.origin, { projectId }));
    expect(codeOf(await send(ACME))).toBe("answered 200");
    expect(codeOf(await send(OTHER))).toBe("address_refused");
    expect(codeOf(await send(ACME))).toBe("answered 200");
    expect(server.sockets).toHaveLength(1);
  });
});
