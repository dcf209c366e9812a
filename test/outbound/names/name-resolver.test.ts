import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FairSemaphore } from "../../../src/lanes/shares/fair-semaphore.ts";
import { type AskDns, type DnsAnswer, dnsQuery } from "../../../src/outbound/names/dns-query.ts";
import { NameResolver } from "../../../src/outbound/names/name-resolver.ts";
import { ResolverFiles } from "../../../src/outbound/names/resolver-files.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  type DnsRecord,
  type DnsReply,
  NXDOMAIN,
  type Question,
  REFUSED,
  serveNames,
  SERVFAIL,
} from "../name-server.ts";

const a = (value: string, ttlS = 60): DnsRecord => ({ type: "A", value, ttlS });
const aaaa = (value: string): DnsRecord => ({ type: "AAAA", value });

/** Answers for each family what is given, by type; a name that is not here does not exist. */
function zone(names: Readonly<Record<string, Readonly<Partial<Record<string, DnsReply>>>>>) {
  return ({ name, type }: Question): DnsReply => {
    const known = names[name];
    if (known === undefined) return NXDOMAIN;
    return type in known ? (known[type] ?? null) : { records: [] };
  };
}

async function machineFiles(texts: { readonly hosts?: string; readonly resolvConf?: string }) {
  const folder = await mkdtemp(join(tmpdir(), "ringback-resolver-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const hostsPath = join(folder, "hosts");
  const resolvConfPath = join(folder, "resolv.conf");
  await writeFile(hostsPath, texts.hosts ?? "");
  await writeFile(resolvConfPath, texts.resolvConf ?? "");
  return { hostsPath, resolvConfPath };
}

const LOOKUPS = { permitsMax: 4, perProjectMax: 2 };

function openTurns(): FairSemaphore {
  return new FairSemaphore({
    resource: "name_lookups",
    permitsMax: LOOKUPS.permitsMax,
    permitsPerProjectMax: () => LOOKUPS.perProjectMax,
    waitingPerProjectMax: 1000,
  });
}

async function realResolver(
  reply: (question: Question) => DnsReply | Promise<DnsReply>,
  texts: Parameters<typeof machineFiles>[0] = {},
) {
  const server = await serveNames(reply);
  const files = new ResolverFiles({ clock: systemClock, ...(await machineFiles(texts)) });
  const resolver = new NameResolver(
    { clock: systemClock },
    {
      files,
      ask: dnsQuery(systemClock, [server.address]),
      askSystem: () => Promise.reject(new Error("not asked")),
      turns: openTurns(),
    },
  );
  const lookup = (host: string, projectId = "project-1") =>
    resolver.lookup({ host, projectId, isListed: false });
  return { server, resolver, lookup };
}

describe("a name server", () => {
  test.each<[string, ReturnType<typeof zone>, readonly string[]]>([
    ["IPv4 only", zone({ "app.example": { A: { records: [a("192.0.2.1")] } } }), ["192.0.2.1"]],
    [
      "IPv6 only",
      zone({ "app.example": { AAAA: { records: [aaaa("2001:db8:0:0:0:0:0:1")] } } }),
      ["2001:db8::1"],
    ],
    [
      "both families, IPv4 first",
      zone({
        "app.example": {
          A: { records: [a("192.0.2.1")] },
          AAAA: { records: [aaaa("2001:db8:0:0:0:0:0:1")] },
        },
      }),
      ["192.0.2.1", "2001:db8::1"],
    ],
    [
      "a chain of aliases",
      zone({
        "app.example": {
          A: {
            records: [
              { type: "CNAME", value: "one.example" },
              { type: "CNAME", name: "one.example", value: "two.example" },
              { ...a("192.0.2.9"), name: "two.example" },
            ],
          },
        },
      }),
      ["192.0.2.9"],
    ],
    [
      "more addresses than one uses",
      zone({
        "app.example": {
          A: { records: Array.from({ length: 40 }, (_, index) => a(`192.0.2.${index}`)) },
        },
      }),
      Array.from({ length: 16 }, (_, index) => `192.0.2.${index}`),
    ],
    [
      "an answer that is cut off and asked for again over TCP",
      zone({ "app.example": { A: { records: [a("192.0.2.1")], isTruncated: true } } }),
      ["192.0.2.1"],
    ],
    [
      "one family, and fails for the other",
      zone({ "app.example": { A: { records: [a("192.0.2.1")] }, AAAA: SERVFAIL } }),
      ["192.0.2.1"],
    ],
    [
      "one family, and nothing for the other",
      zone({ "app.example": { A: { records: [a("192.0.2.1")] }, AAAA: null } }),
      ["192.0.2.1"],
    ],
  ])("a name server gives %s", async (_, reply, addresses) => {
    const { lookup } = await realResolver(reply);
    expect([...(await lookup("app.example"))].sort()).toEqual([...addresses].sort());
  });

  test("a name server that answers slowly is waited for", async () => {
    const asked = Promise.withResolvers<void>();
    const answering = Promise.withResolvers<void>();
    const { lookup } = await realResolver(async () => {
      asked.resolve();
      await answering.promise;
      return { records: [a("192.0.2.1")] };
    });
    const looking = lookup("slow.example");
    await asked.promise;
    answering.resolve();
    expect(await looking).toContain("192.0.2.1");
  });

  test.each<[string, DnsReply, string, RegExp]>([
    ["says that there is no such name", NXDOMAIN, "not_found", /does not exist/],
    ["knows no address of the name", { records: [] }, "not_found", /no address/],
    ["fails", SERVFAIL, "failed", /its name servers fail \(ESERVFAIL\)/],
    ["refuses", REFUSED, "failed", /refused to answer \(EREFUSED\)/],
    ["never answers", null, "failed", /no name server answered in time/],
  ])("a name server that %s is told apart", async (_, reply, kind, message) => {
    const { lookup } = await realResolver(() => reply);
    await expect(lookup("app.example")).rejects.toMatchObject({
      kind,
      message: expect.stringMatching(message),
    });
  });

  test("a missing name server is not the fault of the name", async () => {
    const ask = dnsQuery(systemClock, ["127.0.0.1:1"]);
    expect(await ask("app.example", 3000)).toEqual({ kind: "failed", detail: "ECONNREFUSED" });
  });
});

describe("the files of the machine", () => {
  test("the hosts file comes first, whatever a name server says, and its changes are seen", async () => {
    const paths = await machineFiles({
      hosts: "127.0.0.5 receiver Other.example # a comment\n::1 receiver\n#127.0.0.6 off\nx y\n",
    });
    const clock = new FakeClock();
    const files = new ResolverFiles({ clock, ...paths });
    await files.refresh();
    expect(files.addressesOf("receiver")).toEqual(["127.0.0.5", "::1"]);
    expect(files.addressesOf("other.EXAMPLE")).toEqual(["127.0.0.5"]);
    expect(files.addressesOf("off")).toBeNull();
    await writeFile(paths.hostsPath, "127.0.0.77 receiver\n");
    clock.advance(1000);
    await files.refresh();
    expect(files.addressesOf("receiver")).toEqual(["127.0.0.77"]);
    await rm(paths.hostsPath);
    clock.advance(1000);
    await files.refresh();
    expect(files.addressesOf("receiver")).toBeNull();
  });

  test("names are completed as resolv.conf says, as in a cluster", async () => {
    const { server, lookup } = await realResolver(
      zone({ "app.team.svc.cluster.local": { A: { records: [a("10.0.0.9")] } } }),
      {
        resolvConf: "search team.svc.cluster.local. svc.cluster.local\noptions ndots:5 timeout:2\n",
      },
    );
    expect(await lookup("app")).toEqual(["10.0.0.9"]);
    expect(await lookup("app.team")).toEqual(["10.0.0.9"]);
    const asked = server.questions.filter(({ type }) => type === "A").map(({ name }) => name);
    expect(asked).toEqual([
      "app.team.svc.cluster.local",
      "app.team.team.svc.cluster.local",
      "app.team.svc.cluster.local",
    ]);
  });

  test("a name with dots is asked for as it is first, unless resolv.conf says otherwise", async () => {
    const { server, lookup } = await realResolver(zone({}), {
      resolvConf: "search corp.example\n",
    });
    await expect(lookup("app.example")).rejects.toMatchObject({ kind: "not_found" });
    const asked = server.questions.filter(({ type }) => type === "A").map(({ name }) => name);
    expect(asked).toEqual(["app.example", "app.example.corp.example"]);
  });
});

/** A resolver whose name server is the test, on a clock that the test moves. */
function fakeResolver() {
  const clock = new FakeClock();
  const asked: string[] = [];
  const pending = new Map<string, (answer: DnsAnswer) => void>();
  const ask: AskDns = (name) => {
    asked.push(name);
    return new Promise((resolve) => void pending.set(name, resolve));
  };
  const askSystem = vi.fn<() => Promise<string[]>>(() => Promise.resolve(["127.0.0.1"]));
  const turns = openTurns();
  const files = {
    refresh: () => Promise.resolve(),
    addressesOf: () => null,
    rules: { search: [], ndots: 1 },
  };
  const resolver = new NameResolver({ clock }, { files, ask, askSystem, turns });
  return {
    clock,
    asked,
    askSystem,
    turns,
    resolver,
    lookup: (host: string, projectId = "project-1", isListed = false) => {
      const outcome = resolver.lookup({ host, projectId, isListed });
      outcome.catch(() => undefined);
      return outcome;
    },
    /** Asks without waiting for what comes of it. */
    begin: (host: string, projectId = "project-1"): void => {
      resolver.lookup({ host, projectId, isListed: false }).catch(() => undefined);
    },
    async answer(name: string, answer: DnsAnswer): Promise<void> {
      await expect.poll(() => pending.has(name)).toBe(true);
      pending.get(name)?.(answer);
      pending.delete(name);
    },
    settled: () => clock.advanceSettling(0),
  };
}

const FOUND = { kind: "found", addresses: ["192.0.2.1"], ttlS: 30 } as const;
const SILENCE = { kind: "failed", detail: "ETIMEOUT" } as const;

describe("lookups in progress", () => {
  test("lookups of one project leave room for another's, whose name is looked up at once", async () => {
    const { asked, begin, lookup, answer, settled } = fakeResolver();
    for (let index = 0; index < 200; index += 1) begin(`dead-${index}.example`, "attacker");
    await settled();
    expect(asked).toHaveLength(LOOKUPS.perProjectMax);
    const other = lookup("app.example", "other");
    await answer("app.example", FOUND);
    expect(await other).toEqual(["192.0.2.1"]);
    expect(asked).toHaveLength(LOOKUPS.perProjectMax + 1);
  });

  test("waiting lookups go to the project that holds the fewest as soon as one ends", async () => {
    const { asked, begin, lookup, answer, settled } = fakeResolver();
    for (const project of ["attacker-1", "attacker-2"]) {
      for (let index = 0; index < 50; index += 1) begin(`${index}.${project}.example`, project);
    }
    await settled();
    expect(asked).toHaveLength(LOOKUPS.permitsMax);
    const other = lookup("app.example", "other");
    await settled();
    await answer("0.attacker-1.example", SILENCE);
    await answer("app.example", FOUND);
    expect(await other).toEqual(["192.0.2.1"]);
    expect(asked[LOOKUPS.permitsMax]).toBe("app.example");
  });

  test("lookups that wait too long for a turn fail", async () => {
    const { clock, begin, lookup, settled } = fakeResolver();
    begin("a.example");
    begin("b.example");
    const third = lookup("c.example");
    await settled();
    clock.advance(5000);
    await expect(third).rejects.toMatchObject({ kind: "failed" });
  });

  test("a lookup is shared by all who need the name, but not the wait for a turn", async () => {
    const { asked, begin, lookup, answer, settled } = fakeResolver();
    for (const host of ["a.example", "b.example", "app.example"]) begin(host, "attacker");
    await settled();
    const others = [lookup("app.example", "other"), lookup("app.example", "third")];
    await answer("app.example", FOUND);
    expect(await Promise.all(others)).toEqual([["192.0.2.1"], ["192.0.2.1"]]);
    expect(asked.filter((name) => name === "app.example")).toHaveLength(1);
  });
});

describe("kept answers", () => {
  test("an answer is used for its time to live, at least a second and at most a minute", async () => {
    for (const [ttlS, usedMs] of [
      [0, 1_000],
      [30, 30_000],
      [86_400, 60_000],
    ] as const) {
      const { clock, asked, lookup, answer } = fakeResolver();
      const first = lookup("app.example");
      await answer("app.example", { ...FOUND, ttlS });
      await first;
      clock.advance(usedMs - 1);
      await lookup("app.example");
      expect(asked).toHaveLength(1);
      clock.advance(1);
      const next = lookup("app.example");
      await answer("app.example", FOUND);
      await next;
      expect(asked).toHaveLength(2);
    }
  });

  test.each([{ kind: "not_found" } as const, SILENCE])(
    "an answer without addresses is used for five seconds: %j",
    async (said) => {
      const { clock, asked, lookup, answer } = fakeResolver();
      const first = lookup("app.example");
      await answer("app.example", said);
      await expect(first).rejects.toThrow(/^app\.example /);
      clock.advance(4_999);
      await expect(lookup("app.example")).rejects.toThrow(/^app\.example /);
      expect(asked).toHaveLength(1);
      clock.advance(1);
      const next = lookup("app.example");
      await answer("app.example", FOUND);
      expect(await next).toEqual(["192.0.2.1"]);
    },
  );

  test("an old answer is used for an hour while no name server answers, but not after the name is gone", async () => {
    const { clock, lookup, answer } = fakeResolver();
    const first = lookup("app.example");
    await answer("app.example", FOUND);
    await first;
    clock.advance(600_000);
    const inOutage = lookup("app.example");
    await answer("app.example", SILENCE);
    expect(await inOutage).toEqual(["192.0.2.1"]);
    clock.advance(6_000);
    const gone = lookup("app.example");
    await answer("app.example", { kind: "not_found" });
    await expect(gone).rejects.toMatchObject({ kind: "not_found" });
  });
});

describe("answers that are known without waiting", () => {
  test("nothing is known at first without waiting; then the lookup that this began has answered", async () => {
    const { resolver, answer, settled } = fakeResolver();
    const name = { host: "app.example", projectId: "project-1", isListed: false };
    expect(resolver.peek(name)).toEqual({ kind: "unknown" });
    expect(resolver.peek(name)).toEqual({ kind: "unknown" });
    await answer("app.example", FOUND);
    await settled();
    expect(resolver.peek(name)).toEqual({ kind: "found", addresses: ["192.0.2.1"] });
  });

  test("a question without waiting begins no lookup that would have to wait for a turn", async () => {
    const { asked, resolver, settled } = fakeResolver();
    for (let index = 0; index < 200; index += 1)
      resolver.peek({ host: `dead-${index}.example`, projectId: "project-1", isListed: false });
    await settled();
    expect(asked).toHaveLength(LOOKUPS.perProjectMax);
  });
});

test("only a name that the operator listed may come from the machine's own resolver", async () => {
  const { lookup, answer, askSystem } = fakeResolver();
  const unlisted = lookup("printer.local");
  await answer("printer.local", { kind: "not_found" });
  await expect(unlisted).rejects.toMatchObject({ kind: "not_found" });
  expect(askSystem).not.toHaveBeenCalled();
  const listed = lookup("printer.local", "project-1", true);
  await answer("printer.local", { kind: "not_found" });
  expect(await listed).toEqual(["127.0.0.1"]);
});
