import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { jwkOfSigningKey, publicSigningKey, partsOfSigningKey } from "../../../src/core/signing.ts";
import { signCallback, type SigningKey, signingKey } from "../../../src/delivery/attempt/sign.ts";
import { newSigningKeyPair } from "../../../src/runtime/secrets/new-signing-secrets.ts";

// Published by the specification and its reference implementations.
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP_S = 1_614_265_330;
const BODY = '{"test": 2432232314}';
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const KEY =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
const V1A =
  "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

test("the published examples are signed as they are published", () => {
  const keys = [signingKey("v1", SECRET), signingKey("v1a", KEY)];
  expect(signCallback(keys, ID, TIMESTAMP_S, BODY)).toBe(`${V1} ${V1A}`);
  expect(publicSigningKey(partsOfSigningKey(KEY))).toBe(PUBLIC_KEY);
});

const bytes = (length: number, fill: string) => Buffer.alloc(length, fill).toString("base64");
const secrets = ["a", "b", "c"].map((letter) => `whsec_${bytes(24, letter)}`);

test("during a rotation the published library verifies with each of the secrets, and no other", () => {
  const nowS = Math.floor(Date.now() / 1000);
  const keys = secrets.slice(0, 2).map((secret) => signingKey("v1", secret));
  fc.assert(
    fc.property(fc.json(), (body) => {
      const headers = {
        "webhook-id": ID,
        "webhook-timestamp": String(nowS),
        "webhook-signature": signCallback(keys, ID, nowS, body),
      };
      const verified = secrets.map((secret) => {
        try {
          new Webhook(secret).verify(body, headers, { jsonParse: false });
          return true;
        } catch {
          return false;
        }
      });
      expect(verified).toEqual([true, true, false]);
    }),
    { numRuns: 30 },
  );
});

function verifies(publicKey: string, header: string, body: string): boolean {
  const key = createPublicKey({ key: { ...jwkOfSigningKey(publicKey, "sgk_1") }, format: "jwk" });
  const signatures = header.split(" ").filter((signature) => signature.startsWith("v1a,"));
  const signed = Buffer.from(`${ID}.${TIMESTAMP_S}.${body}`);
  return signatures.some((signature) =>
    verify(null, signed, key, Buffer.from(signature.slice(4), "base64")),
  );
}

test("an ed25519 signature is verified with the public key as it is served, and with no other", () => {
  const [current, before, other] = [newSigningKeyPair(), newSigningKeyPair(), newSigningKeyPair()];
  const keys: SigningKey[] = [current, before].map(({ secret }) => signingKey("v1a", secret));
  const header = signCallback(keys, ID, TIMESTAMP_S, BODY);
  expect(verifies(current.publicKey, header, BODY)).toBe(true);
  expect(verifies(before.publicKey, header, BODY)).toBe(true);
  expect(verifies(other.publicKey, header, BODY)).toBe(false);
  expect(verifies(current.publicKey, header, `${BODY} `)).toBe(false);
});
