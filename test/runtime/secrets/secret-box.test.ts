import { expect, test } from "vitest";
import { createSecretBox, SecretBoxError } from "../../../src/runtime/secrets/secret-box.ts";

const KEY = Buffer.from("00112233445566778899aabbccddeeff".repeat(2), "hex");
/** As it was sealed under that key before sealed texts were bound to their places. */
const OLDER = "v1.4884b290.tONidtB-OeP6Xne2BT3F2bBQKik7eH2rhhudcmlDxCY5ig";
const bound = createSecretBox([KEY]);
const PLACE = { column: "connections.credential", id: "a" } as const;

test("a sealed text opens in its column and row alone, and not as one of the older form", () => {
  const sealed = bound.seal("secret", PLACE);
  expect(bound.open(sealed, PLACE)).toBe("secret");
  for (const place of [
    { ...PLACE, id: "b" },
    { ...PLACE, column: "connections.environment" },
    { column: "subscriptions.secret", id: "a" },
  ] as const) {
    expect(() => bound.open(sealed, place)).toThrow(SecretBoxError);
  }
  expect(() => bound.open(sealed.replace("v2.", "v1."), PLACE)).toThrow(SecretBoxError);
});

test("one from before is read, and is not under the prefix by which the reseal finds what is done", () => {
  expect(OLDER).toMatch(/^v1\./);
  expect(bound.open(OLDER, PLACE)).toBe("secret");
  expect(OLDER.startsWith(bound.sealingPrefix)).toBe(false);
});
