import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { apiKeyForm, newApiKey } from "../../../src/runtime/secrets/api-key.ts";

describe("a new API key", () => {
  it("a new API key has a checksum that fits, and 256 random bits before it", () => {
    const keys = Array.from({ length: 200 }, newApiKey);
    expect(new Set(keys).size).toBe(200);
    for (const key of keys) {
      expect(key).toMatch(/^rb_k2_[0-9A-Za-z]{49}$/);
      expect(apiKeyForm(key)).toBe("checked");
    }
  });

  it("a new API key is told from rubbish wherever one character was changed, lost or added", () => {
    const key = newApiKey();
    for (let at = "rb_k2_".length; at < key.length; at += 1) {
      const other = key[at] === "a" ? "b" : "a";
      expect(apiKeyForm(key.slice(0, at) + other + key.slice(at + 1))).toBe("malformed");
      expect(apiKeyForm(key.slice(0, at) + key.slice(at + 1))).toBe("malformed");
      expect(apiKeyForm(`${key.slice(0, at)}a${key.slice(at)}`)).toBe("malformed");
    }
  });
});

describe("a key from before there were checksums", () => {
  it("a key from before there were checksums may still be one, also when it begins like a newer one", () => {
    for (let n = 0; n < 200; n += 1) {
      expect(apiKeyForm(`rb_${randomBytes(32).toString("base64url")}`)).toBe("unchecked");
    }
    expect(apiKeyForm(`rb_k2_${"x".repeat(40)}`)).toBe("unchecked");
    expect(apiKeyForm("rb_chosen-by-the-operator")).toBe("unchecked");
  });

  it.each(["", "rb_", "rb_abc", "whsec_abcdefgh", "rb_k2_", `rb_k2_${"x".repeat(49)}`])(
    "%j was never a key",
    (text) => {
      expect(apiKeyForm(text)).toBe("malformed");
    },
  );
});
