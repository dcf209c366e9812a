import { expect, test } from "vitest";
import { redirectNote } from "../../../src/core/delivery/delivery-outcome.ts";

test.each([
  ["https://www.foo.example/api/hook/", "https://www.foo.example/api/hook/"],
  ["/hook/?token=secret", "/hook/…"],
  ["/a\u0007\u00e9b", "/a\u{fffd}\u{fffd}b"],
  [`/${"x".repeat(10_000)}`, `/${"x".repeat(499)}…`],
])("a redirect to %.40s is shown bounded, printable and without its query", (location, shown) => {
  expect(redirectNote(location)).toBe(
    `The receiver redirects to ${shown}. Redirects are never followed: change the callback URL.`,
  );
});
