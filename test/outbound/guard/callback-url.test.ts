import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";
import { CallbackUrlChecker, checkCallbackUrl } from "../../../src/outbound/guard/callback-url.ts";
import { type KnownName, NameLookupError } from "../../../src/outbound/names/name-resolver.ts";
import { PROJECT } from "../local-servers.ts";
import { blockedIpv4, embeddingForms, ipv4Text } from "../addresses.ts";

const strict = createAddressGuard({ cidrs: [], hostPorts: [] });
const local = createAddressGuard({
  cidrs: [{ address: "127.0.0.0", prefixBits: 8 }],
  hostPorts: [],
});

const SAFE_URL = new URL("https://app.example.com/");

function reasonOf(text: string, guard = strict): string | null {
  const check = checkCallbackUrl(text, guard);
  return check.ok ? null : check.reason;
}

describe("a public https URL is accepted and normalised", () => {
  test.each([
    ["https://app.example.com/hooks?x=1", "https://app.example.com/hooks?x=1"],
    ["HTTPS://App.Example.COM:443", "https://app.example.com/"],
    ["https://app.example.com.:8443/a/../b", "https://app.example.com:8443/b"],
    ["https://bücher.example/", "https://xn--bcher-kva.example/"],
    ["https://8.8.8.8:1024/", "https://8.8.8.8:1024/"],
    ["https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"],
    ["https://app.example.com:80/", "https://app.example.com:80/"],
    ["https://app.example.com/@x?y=z@w", "https://app.example.com/@x?y=z@w"],
  ])("%s, a public https URL, is accepted and normalized", (text, href) => {
    const check = checkCallbackUrl(text, strict);
    expect(check.ok && check.url.href).toBe(href);
  });
});

describe("refused URLs, with a reason that says what to change", () => {
  test.each([
    ["", /https:\/\/host\/path/],
    ["app.example.com/hook", /https:\/\/host\/path/],
    ["https:app.example.com", /https:\/\/host\/path/],
    ["https:/app.example.com", /https:\/\/host\/path/],
    ["https:///app.example.com", /https:\/\/host\/path/],
    ["https://", /https:\/\/host\/path/],
    ["https://exa mple.com/", /spaces/],
    ["https://999.1.1.1/", /https:\/\/host\/path/],
    ["ftp://app.example.com/", /use https, not ftp/],
    ["file:///etc/passwd", /use https, not file/],
    ["javascript:alert(1)", /use https, not javascript/],
    ["gopher://app.example.com/", /use https, not gopher/],
    ["http://app.example.com/", /use https/],
    ["https://user:secret@app.example.com/", /user name and password/],
    ["https://user@app.example.com/", /user name and password/],
    ["https://@app.example.com/", /user name and password/],
    ["https://a@b@app.example.com/", /user name and password/],
    ["https://app.example.com/#part", /fragment/],
    ["https://app.example.com/#", /fragment/],
    [`https://app.example.com/${"a".repeat(2048)}`, /2048/],
    [`https://app.example.com/${"ü".repeat(2000)}`, /2048/],
    ["https://app.example.com:22/", /port 22 /],
    ["https://app.example.com:0/", /port 0 /],
    ["https://app.example.com:1023/", /port 1023 /],
    ["https://app.example.com..", /dots/],
    ["https://app..example.com", /dots/],
    ["https://.example.com", /dots/],
  ])("%s is refused, with a reason that says what to change", (text, reason) => {
    expect(reasonOf(text)).toMatch(reason);
  });

  test.each([
    "localhost",
    "localhost.",
    "LOCALHOST",
    "api.localhost",
    "printer.local",
    "metadata.google.internal",
    "metadata.google.internal.",
    "receiver",
    "kubernetes",
  ])("the private name %s is refused", (host) => {
    expect(reasonOf(`https://${host}/`)).not.toBeNull();
    expect(reasonOf(`http://${host}:8080/`)).not.toBeNull();
  });
});

test.each([
  ["https://127.0.0.1/", "127.0.0.1:443"],
  ["http://[::1]:18100/x", "[::1]:18100"],
  ["https://localhost:3000/", "localhost:3000"],
  ["http://receiver:3000/", "receiver:3000"],
  ["http://app.example.com/", "app.example.com:80"],
  ["https://app.example.com:22/", "app.example.com:22"],
])("the refusal of %s names the entry that allows it", (text, entry) => {
  expect(reasonOf(text)).toContain(`the operator adds ${entry} to RINGBACK_EGRESS_ALLOW`);
  const [host = "", port = ""] = entry.split(/:(?=\d+$)/);
  const allowing = createAddressGuard({ cidrs: [], hostPorts: [{ host, port: Number(port) }] });
  expect(reasonOf(text, allowing)).toBeNull();
});

describe("spellings that hide where a URL leads are refused", () => {
  test.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://127。0。0。1/",
    "https://１２７.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://%31%32%37.0.0.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/",
    "https://loc\u00adalhost/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://app.example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https://127.0.0.1\\.example.com/",
    "ht\ttps://127.0.0.1/",
    "https://127.0.\t0.1/",
    "https://app.example.com/\r\nx-injected: 1",
    " https://app.example.com/",
    "https://app.example.com/\u0000",
    "https://app.example.com/\u2028",
    "https://[fe80::1%25eth0]/",
  ])("%j is refused, because its spelling hides its target", (text) => {
    expect(reasonOf(text)).not.toBeNull();
  });

  test("every blocked IPv4 address is refused by itself, as a number, and in every embedding form", () => {
    fc.assert(
      fc.property(blockedIpv4, fc.constantFrom(...embeddingForms), (octets, form) => {
        const [a, b, c, d] = octets;
        const number = ((a * 256 + b) * 256 + c) * 256 + d;
        const hosts = [
          ipv4Text(octets),
          String(number),
          `0x${number.toString(16)}`,
          octets.map((octet) => `0${octet.toString(8)}`).join("."),
          `[${form.hexadecimal(octets)}]`,
          `[${form.dotted(octets)}]`,
        ];
        for (const host of hosts) expect(reasonOf(`https://${host}/`)).not.toBeNull();
      }),
    );
  });

  test("judging a URL never throws, and an accepted one is https without user name or fragment", () => {
    const text = fc.oneof(fc.webUrl(), fc.string(), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(text, fc.constantFrom("", "https://"), (rest, start) => {
        const check = checkCallbackUrl(start + rest, strict);
        const { protocol, username, password, hash } = check.ok ? check.url : SAFE_URL;
        expect([protocol, username, password, hash]).toEqual(["https:", "", "", ""]);
      }),
    );
  });
});

describe("exceptions by the operator", () => {
  test.each([
    "http://127.0.0.1:80/",
    "http://127.0.0.1:22/",
    "https://127.8.8.8/",
    "http://localhost:9000/hook",
    "http://api.localhost/",
    "http://[::ffff:127.0.0.1]/",
    "http://2130706433/",
  ])("an exempt CIDR lets %s through", (text) => {
    expect(reasonOf(text, local)).toBeNull();
  });

  test.each(["http://8.8.8.8/", "http://10.0.0.1/", "https://[::1]/", "https://10.0.0.1/"])(
    "an exempt CIDR of other addresses does not let %s through",
    (text) => {
      expect(reasonOf(text, local)).not.toBeNull();
    },
  );

  test("an exempt host:port lets that host through on that port only", () => {
    const guard = createAddressGuard({
      cidrs: [],
      hostPorts: [
        { host: "localhost", port: 9000 },
        { host: "receiver", port: 80 },
        { host: "10.0.0.1", port: 22 },
      ],
    });
    expect(reasonOf("http://localhost:9000/", guard)).toBeNull();
    expect(reasonOf("http://receiver/", guard)).toBeNull();
    expect(reasonOf("https://receiver:80/", guard)).toBeNull();
    expect(reasonOf("http://10.0.0.1:22/", guard)).toBeNull();
    expect(reasonOf("http://localhost:9001/", guard)).not.toBeNull();
    expect(reasonOf("https://receiver/", guard)).not.toBeNull();
    expect(reasonOf("http://10.0.0.1/", guard)).not.toBeNull();
    expect(reasonOf("https://user@receiver:80/", guard)).toMatch(/user name/);
  });
});

const found = (...addresses: readonly string[]): KnownName => ({ kind: "found", addresses });

function check(url: string, known: KnownName, guard = strict) {
  const checker = new CallbackUrlChecker(
    () => guard,
    () => false,
    { peek: () => known },
  );
  return checker.check(PROJECT, url);
}

describe("a name is judged by all its addresses", () => {
  test("a name with only public addresses is accepted", () => {
    const known = found("93.184.215.14", "2606:4700::1111");
    expect(check("https://app.example.com/", known)).toMatchObject({ ok: true, warnings: [] });
  });

  test.each([["10.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1", "93.184.215.14"]])(
    "a name with one private address is refused: %s %s",
    (...addresses) => {
      expect(check("https://app.example.com/", found(...addresses))).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/not public/),
      });
    },
  );

  test("a refusal does not reveal the addresses from a private resolver", () => {
    const checked = check("https://app.example.com/", found("10.77.66.55"));
    expect(JSON.stringify(checked)).not.toContain("10.77");
  });

  test("http and private names need every address exempt", () => {
    const judge = (text: string, ...addresses: readonly string[]) =>
      check(text, found(...addresses), local);
    expect(judge("http://receiver:9000/", "127.0.0.1")).toMatchObject({ ok: true });
    expect(judge("http://receiver:9000/", "8.8.8.8")).toMatchObject({ ok: false });
    expect(judge("https://receiver/", "127.0.0.1", "8.8.8.8")).toMatchObject({ ok: false });
    expect(judge("http://app.example.com/", "8.8.8.8")).toMatchObject({ ok: false });
  });

  test("literals and localhost are never looked up", () => {
    const peek = vi.fn<() => KnownName>(() => found("8.8.8.8"));
    const judge = (url: string, guard = strict) =>
      new CallbackUrlChecker(
        () => guard,
        () => false,
        { peek },
      ).check(PROJECT, url);
    expect(judge("https://8.8.8.8/").ok).toBe(true);
    expect(judge("https://localhost/").ok).toBe(false);
    expect(judge("http://localhost/", local).ok).toBe(true);
    expect(peek).not.toHaveBeenCalled();
  });
});

test.each<[KnownName, RegExp]>([
  [{ kind: "unknown" }, /^new\.example\.com has not been looked up yet/],
  [
    {
      kind: "not_resolved",
      error: new NameLookupError("not_found", "new.example.com is not there"),
    },
    /^new\.example\.com is not there/,
  ],
])(
  "a name that is not resolved is accepted with a warning: connecting checks again",
  (known, message) => {
    expect(check("https://new.example.com/", known)).toMatchObject({
      ok: true,
      warnings: [{ code: "callback_host_unresolved", message: expect.stringMatching(message) }],
    });
  },
);

describe("receivers on this machine, where they are allowed", () => {
  const here = createAddressGuard({ cidrs: [], hostPorts: [], thisMachineBut: 8080 });
  const checkHere = (url: string, guard = here) => check(url, found("127.0.0.1"), guard);

  test.each([
    "http://127.0.0.1:3000/hook",
    "http://127.9.9.9/",
    "http://[::1]:3000/",
    "http://localhost:3000/",
    "https://app.localhost:22/",
  ])("%s, a receiver on this machine, is accepted with a warning where allowed", (url) => {
    expect(checkHere(url)).toMatchObject({
      ok: true,
      warnings: [{ code: "callback_on_this_machine" }],
    });
    expect(checkHere(url, strict).ok).toBe(false);
  });

  test.each([
    // The gateway itself.
    "http://127.0.0.1:8080/v1/subscriptions",
    "http://localhost:8080/",
    "http://[::ffff:127.0.0.1]:8080/",
    // Elsewhere, or found there by a name.
    "http://10.0.0.1:3000/",
    "http://169.254.169.254/",
    "http://0.0.0.0:3000/",
    "http://receiver.example.com:3000/",
    "https://receiver.example.com/",
    "http://receiver:3000/",
  ])("%s is refused even where receivers on this machine are allowed", (url) => {
    expect(checkHere(url).ok).toBe(false);
  });

  test("receivers on this machine need no warning when the operator lists them", () => {
    const listing = createAddressGuard({
      cidrs: [{ address: "127.0.0.2", prefixBits: 32 }],
      hostPorts: [{ host: "localhost", port: 8080 }],
      thisMachineBut: 8080,
    });
    for (const url of ["http://127.0.0.2:3000/", "http://localhost:8080/sandbox/inbox"]) {
      expect(checkHere(url, listing)).toMatchObject({ ok: true, warnings: [] });
    }
  });
});
