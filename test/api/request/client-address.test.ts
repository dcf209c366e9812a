import { describe, expect, it } from "vitest";
import { addressGroup, clientAddress } from "../../../src/api/request/client-address.ts";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";

const { exemptsAddress: isTrusted } = createAddressGuard({
  cidrs: [
    { address: "10.0.0.0", prefixBits: 8 },
    { address: "fd00::", prefixBits: 8 },
  ],
  hostPorts: [],
});
const addressOf = (peer: string | undefined, forwardedFor: string | null = null) =>
  clientAddress({ peer, forwardedFor }, isTrusted);

describe("the address of a client", () => {
  it("the address of a client is the socket's, whatever headers say, unless that is a trusted proxy's", () => {
    expect(addressOf("203.0.113.7")).toBe("203.0.113.7");
    expect(addressOf("203.0.113.7", "198.51.100.1")).toBe("203.0.113.7");
    expect(addressOf("::ffff:203.0.113.7")).toBe("203.0.113.7");
    expect(addressOf("fe80::1%eth0")).toBe("fe80::1");
    expect(addressOf(undefined)).toBe("unknown");
  });

  it.each([
    ["198.51.100.1", "198.51.100.1"],
    ["192.0.2.9, 198.51.100.1", "198.51.100.1"],
    ["192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
    ["198.51.100.1:4711", "198.51.100.1"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["2001:DB8:0::1", "2001:db8::1"],
    ["10.0.0.3, fd00::2", "10.0.0.3"],
    ["no address", "10.0.0.1"],
    ["198.51.100.1, unknown", "10.0.0.1"],
    ["", "10.0.0.1"],
  ])(
    "the client's address behind trusted proxies is the last untrusted one in %j",
    (header, address) => {
      expect(addressOf("10.0.0.1", header)).toBe(address);
    },
  );
});

it("an IPv6 network of 64 bits counts as one address", () => {
  expect(addressGroup("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(addressGroup("2001:db8:1:2::1")).toBe(addressGroup("2001:db8:1:2:ffff::"));
  expect(addressGroup("2001:db8:1:3::1")).not.toBe(addressGroup("2001:db8:1:2::1"));
  expect(addressGroup("203.0.113.7")).toBe("203.0.113.7");
  expect(addressGroup("unknown")).toBe("unknown");
});
