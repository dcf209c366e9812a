import fc from "fast-check";
import { expect, test } from "vitest";
import { readViaAddress } from "../../src/via/address.ts";

test.each([
  ["/via/pulse/extract?a=1&b=%2e%2e", "pulse", "/extract", "a=1&b=%2e%2e"],
  ["/via/con_0/a%2Fb/c..d/...", "con_0", "/a%2Fb/c..d/...", null],
  ["/via/pulse", "pulse", "", null],
  ["/via/pulse?x", "pulse", "", "x"],
  ["/via/pulse/100%25", "pulse", "/100%25", null],
  ["/via/pulse/a//b/", "pulse", "/a//b/", null],
  ["/via/pulse/caf%C3%A9", "pulse", "/caf%C3%A9", null],
  ["/via/pulse/v1:run?", "pulse", "/v1:run", ""],
])("%s leads to %s", (target, name, path, query) => {
  expect(readViaAddress(target)).toEqual({ ok: true, address: { target: name, path, query } });
});

test.each([
  "/via/pulse/../admin",
  "/via/pulse/..",
  "/via/pulse/./x",
  "/via/pulse/a/%2e%2e/b",
  "/via/pulse/a/%2E./b",
  "/via/pulse/..%2fadmin",
  "/via/pulse/a%2f..%2f..%2fb",
  "/via/pulse/..%5cadmin",
  "/via/pulse/%252e%252e/admin",
  "/via/pulse/%25252e%25252e/admin",
  "/via/pulse/..;/admin",
  "/via/pulse/..;a=b/admin",
  "/via/pulse/%2e%2e%3bx/admin",
  "/via/pulse/%c0%ae%c0%ae/admin",
  "/via/pulse/%ef%bc%8e%ef%bc%8e/admin",
  "/via/pulse/..\\admin",
  "/via/pulse//evil.example/x",
  "/via/pulse/a%0d%0ahost:%20evil",
  "/via/pulse/a%00b",
  "/via/pulse/%zz",
  "/via/pulse/a b",
  "/via/pulse/a#b",
  "/via/pulse/é",
  "/via/",
  "/via//extract",
  "/via/..%2f/extract",
  "/viapulse/x",
])("%s is refused", (target) => {
  expect(readViaAddress(target).ok).toBe(false);
});

test("no path that is taken leaves the base URL, however often it is decoded", () => {
  const piece = fc.constantFrom(
    "..",
    ".",
    "/",
    "%2e",
    "%2E",
    "%2f",
    "%5c",
    "%25",
    "2e",
    "a",
    ";",
    "\\",
    "%00",
    "//",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const reading = readViaAddress(`/via/pulse/${pieces.join("")}`);
      if (!reading.ok) return;
      let path = reading.address.path;
      for (let round = 0; round < 6; round += 1) {
        const url = new URL(`http://host/base${path}`);
        expect(url.host).toBe("host");
        expect(url.pathname.startsWith("/base")).toBe(true);
        expect(path.split(/[/\\]/)).not.toContain("..");
        path = path.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
      }
    }),
  );
});
