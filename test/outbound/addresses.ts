import fc from "fast-check";

export type Octets = readonly [number, number, number, number];

/** An IPv6 form that carries an IPv4 address, in both of its spellings. */
interface EmbeddingForm {
  hexadecimal(octets: Octets): string;
  dotted(octets: Octets): string;
}

const octet = fc.nat(255);

/** Any IPv4 address that must never be connected to. */
export const blockedIpv4: fc.Arbitrary<Octets> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 10, 127), octet, octet, octet),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
  fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
  fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
  fc.tuple(fc.constant(192), fc.constant(0), fc.constantFrom(0, 2), octet),
  fc.tuple(fc.constant(198), fc.constantFrom(18, 19), octet, octet),
  fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
  fc.constant<Octets>([168, 63, 129, 16]),
);

export function ipv4Text(octets: Octets): string {
  return octets.join(".");
}

function groups([a, b, c, d]: Octets): string {
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function trailing(prefix: string): EmbeddingForm {
  return {
    hexadecimal: (octets) => prefix + groups(octets),
    dotted: (octets) => prefix + ipv4Text(octets),
  };
}

function leading(prefix: string, rest: string): EmbeddingForm {
  const spell = (octets: Octets): string => prefix + groups(octets) + rest;
  return { hexadecimal: spell, dotted: spell };
}

/** Mapped, translated, compatible, both NAT64 prefixes, 6to4, and Teredo's server and client. */
export const embeddingForms: readonly EmbeddingForm[] = [
  trailing("::ffff:"),
  trailing("0:0:0:0:0:FFFF:"),
  trailing("::ffff:0:"),
  trailing("::"),
  trailing("64:ff9b::"),
  trailing("64:ff9b:1::"),
  trailing("64:ff9b:1:1:1:1:"),
  leading("2002:", "::1"),
  leading("2001:0:", "::1"),
  leading("2001::", ""),
];
