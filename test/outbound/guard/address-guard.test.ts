import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAddressGuard } from "../../../src/outbound/guard/address-guard.ts";
import { blockedIpv4, embeddingForms, ipv4Text } from "../addresses.ts";

const strict = createAddressGuard({ cidrs: [], hostPorts: [] });

describe("an address is refused unless it is public unicast", () => {
  test.each([
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
  ])("IPv4 %s is refused, because it is not public unicast", (address) => {
    expect(strict.blockedRange(address)).not.toBeNull();
  });

  test.each([
    "::",
    "::1",
    "::2",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "64:ff9b:1::808:808",
    "fc00::1",
    "fd00:ec2::254",
    "fdaa::3",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "::8.8.8.8",
    "::808:808",
    "::ffff:0:8.8.8.8",
    "2002:808:808::1",
  ])("IPv6 %s is refused, because it is not public unicast", (address) => {
    expect(strict.blockedRange(address)).not.toBeNull();
  });

  test.each(["", "localhost", "1", "127.1", "0x7f.0.0.1", "010.0.0.1", "8.8.8.8 ", "[::1]"])(
    "a text that is not an address is refused: %j",
    (text) => {
      expect(strict.blockedRange(text)).not.toBeNull();
    },
  );

  test("every blocked IPv4 address is refused in every embedding form, however it is written", () => {
    fc.assert(
      fc.property(blockedIpv4, fc.constantFrom(...embeddingForms), (octets, form) => {
        expect(strict.blockedRange(ipv4Text(octets))).not.toBeNull();
        expect(strict.blockedRange(form.hexadecimal(octets))).not.toBeNull();
        expect(strict.blockedRange(form.dotted(octets))).not.toBeNull();
      }),
      { numRuns: 500 },
    );
  });
});

describe("a public address is allowed", () => {
  test.each([
    "1.1.1.1",
    "8.8.8.8",
    "168.63.129.17",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::8a",
  ])("%s, a public address, is allowed", (address) => {
    expect(strict.blockedRange(address)).toBeNull();
  });

  test.each(["::ffff:8.8.8.8", "::ffff:808:808", "64:ff9b::8.8.8.8", "64:ff9b::808:808"])(
    "%s, the mapped and NAT64 spelling of a public address, is allowed",
    (address) => {
      expect(strict.blockedRange(address)).toBeNull();
    },
  );
});

describe("the operator's exemptions", () => {
  const guard = createAddressGuard({
    cidrs: [
      { address: "127.0.0.0", prefixBits: 8 },
      { address: "fd00:1::", prefixBits: 32 },
    ],
    hostPorts: [
      { host: "Receiver.Internal", port: 9000 },
      { host: "10.1.2.3", port: 8080 },
      { host: "[::1]", port: 7000 },
    ],
  });

  test("a CIDR exempts its addresses, the mapped spelling included, and no others", () => {
    expect(guard.exemptsAddress("127.9.9.9")).toBe(true);
    expect(guard.exemptsAddress("::ffff:127.0.0.1")).toBe(true);
    expect(guard.exemptsAddress("fd00:1::5")).toBe(true);
    expect(guard.exemptsAddress("128.0.0.1")).toBe(false);
    expect(guard.exemptsAddress("::1")).toBe(false);
    expect(guard.exemptsAddress("fd00:2::5")).toBe(false);
    expect(guard.exemptsAddress("127.0.0.1.example")).toBe(false);
  });

  test("a CIDR does not reach through NAT64 or 6to4 to another network's loopback", () => {
    expect(guard.exemptsAddress("64:ff9b::7f00:1")).toBe(false);
    expect(guard.exemptsAddress("2002:7f00:1::")).toBe(false);
  });

  test("host:port exempts that host on that port only, however the host is spelled", () => {
    expect(guard.exemptsHostPort("receiver.internal", 9000)).toBe(true);
    expect(guard.exemptsHostPort("receiver.internal.", 9000)).toBe(true);
    expect(guard.exemptsHostPort("receiver.internal", 9001)).toBe(false);
    expect(guard.exemptsHostPort("other.internal", 9000)).toBe(false);
    expect(guard.exemptsHostPort("10.1.2.3", 8080)).toBe(true);
    expect(guard.exemptsHostPort("10.1.2.3", 80)).toBe(false);
    expect(guard.exemptsHostPort("0:0:0:0:0:0:0:1", 7000)).toBe(true);
  });
});
