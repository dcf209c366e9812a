import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ResultLinks } from "../../../src/runtime/secrets/result-links.ts";

const NOW = Date.UTC(2026, 0, 1);
const TTL_MS = 60_000;
const EVENT = "evt_019b76da98007034a5b6c7d8e9f00112";
const OTHER = "evt_019b76da98007034a5b6c7d8e9f00113";

const links = (...keys: Buffer[]): ResultLinks =>
  new ResultLinks({ keys, ttlMs: TTL_MS, publicUrl: () => "https://ringback.example.com" });

const tokenOf = (url: string): string => new URL(url).searchParams.get("token") ?? "";

test("a link is good for its event, for as long as it says", () => {
  const one = links(randomBytes(32));
  const url = one.urlOf(EVENT, NOW);
  expect(url).toMatch(
    /^https:\/\/ringback\.example\.com\/v1\/events\/evt_[0-9a-f]{32}\/result\?token=[\w.-]+$/,
  );
  const token = tokenOf(url);
  expect(one.check(EVENT, token, NOW + TTL_MS - 1)).toBe("valid");
  expect(one.check(EVENT, token, NOW + TTL_MS)).toBe("expired");
  expect(one.check(OTHER, token, NOW)).toBe("invalid");
});

test("nothing of it can be changed", () => {
  const one = links(randomBytes(32));
  const token = tokenOf(one.urlOf(EVENT, NOW));
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === "a" ? "b" : "a";
    const changed = token.slice(0, index) + other + token.slice(index + 1);
    // The last letter of base64 carries two bits that mean nothing.
    if (index === token.length - 1) continue;
    expect(one.check(EVENT, changed, NOW), changed).toBe("invalid");
  }
  for (const rubbish of ["", ".", "a.b", token.slice(1), `${token}a`, "x".repeat(200)]) {
    expect(one.check(EVENT, rubbish, NOW)).toBe("invalid");
  }
});

test("every node with the same ring agrees, and a link outlives the rotation of its key", () => {
  const [old, young] = [randomBytes(32), randomBytes(32)];
  const token = tokenOf(links(old).urlOf(EVENT, NOW));
  expect(links(young, old).check(EVENT, token, NOW)).toBe("valid");
  expect(links(young).check(EVENT, token, NOW)).toBe("invalid");
});
