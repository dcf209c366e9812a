import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** Verdict on a token for reading one event's result. */
export type LinkVerdict = "valid" | "expired" | "invalid";

interface ResultLinksOptions {
  /** The ring of encryption keys, which all nodes have: the first signs, all verify. */
  readonly keys: readonly Buffer[];
  readonly ttlMs: number;
  /** This gateway's own address, without a trailing slash. */
  readonly publicUrl: () => string;
}

const PURPOSE = "ringback result link";
const TOKEN = /^(?<expires>[0-9a-z]{1,11})\.(?<mac>[\w-]{43})$/;

/**
 * URLs of results that need no API key: they carry a token, valid for one event and for a limited
 * time. `<expiry in Unix seconds, base 36>.<HMAC-SHA256 over event and expiry>`.
 */
export class ResultLinks {
  readonly #options: ResultLinksOptions;
  readonly #keys: readonly Buffer[];

  constructor(options: ResultLinksOptions) {
    this.#options = options;
    // Derived keys: a key that signs links never encrypts.
    this.#keys = options.keys.map((key) => Buffer.from(hkdfSync("sha256", key, "", PURPOSE, 32)));
  }

  /** @param eventId `evt_…` */
  urlOf(eventId: string, nowMs: number): string {
    const { publicUrl, ttlMs } = this.#options;
    const expires = Math.ceil((nowMs + ttlMs) / 1000).toString(36);
    const [key] = this.#keys;
    if (key === undefined) throw new Error("The key ring is empty.");
    const token = `${expires}.${macOf(key, eventId, expires).toString("base64url")}`;
    return `${publicUrl()}/v1/events/${eventId}/result?token=${token}`;
  }

  /** Compares in constant time. */
  check(eventId: string, token: string, nowMs: number): LinkVerdict {
    const { expires = "", mac = "" } = TOKEN.exec(token)?.groups ?? {};
    const given = Buffer.from(mac, "base64url");
    const isSigned = this.#keys
      .map((key) => macOf(key, eventId, expires))
      .map((right) => given.length === right.length && timingSafeEqual(given, right))
      .includes(true);
    if (!isSigned) return "invalid";
    return Number.parseInt(expires, 36) * 1000 > nowMs ? "valid" : "expired";
  }
}

function macOf(key: Buffer, eventId: string, expires: string): Buffer {
  return createHmac("sha256", key).update(`${eventId}.${expires}`).digest();
}
