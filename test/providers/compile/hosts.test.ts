import { describe, expect, test } from "vitest";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";
import { checkUpstreamUrl } from "../../../src/outbound/guard/callback-url.ts";
import { unexpectedHosts } from "../../../src/providers/compile/hosts.ts";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { exampleProvider } from "../example-provider.ts";

/** The places that the rules for connections refuse. */
function strays(changes: Partial<ProviderDefinitionSource>): string[] {
  const guard = createAddressGuard({ cidrs: [], hostPorts: [] });
  return unexpectedHosts(exampleProvider(changes), (url) => {
    const check = checkUpstreamUrl(url, guard, () => false);
    return check.ok ? null : check.reason;
  }).map(({ pointer }) => pointer);
}

describe("a definition can't lead inwards", () => {
  test.for<[string, Partial<ProviderDefinitionSource>, string]>([
    ["by its address", { base_url: "https://10.0.0.1" }, "/base_url"],
    ["by a name of a private network", { base_url: "https://db.internal" }, "/base_url"],
    ["in the clear", { base_url: "http://api.example.com" }, "/base_url"],
    ["by a privileged port", { base_url: "https://api.example.com:22" }, "/base_url"],
    ["with a user in it", { base_url: "https://u:p@api.example.com" }, "/base_url"],
    ["with a query", { base_url: "https://api.example.com/?a" }, "/base_url"],
    ["by an address it allows", { allowed_hosts: ["a.example", "127.0.0.1"] }, "/allowed_hosts/1"],
    ["by one in disguise", { allowed_hosts: ["2130706433"] }, "/allowed_hosts/0"],
    ["by a domain it allows", { allowed_hosts: ["*.cluster.local"] }, "/allowed_hosts/0"],
    [
      "by a host of its results",
      {
        result: {
          kind: "request",
          request: { url_at: ["/url"], credential: false, hosts: ["metadata.google.internal"] },
        },
      },
      "/result/request/hosts/0",
    ],
    [
      "by a host of its downloads",
      {
        result: {
          kind: "pointer",
          at: ["/link"],
          download: { url_at: [""], hosts: ["files.example", "10.0.0.1"] },
        },
      },
      "/result/download/hosts/1",
    ],
  ])("a definition can't reach private hosts: %s", ([, changes, pointer]) => {
    expect(strays(changes)).toEqual([pointer]);
  });

  test("a definition may reach public hosts", () => {
    expect(strays({ allowed_hosts: ["jobs.example.com", "textract.*.amazonaws.com"] })).toEqual([]);
    expect(strays({ base_url: undefined })).toEqual([]);
  });
});
