import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEchoRedactor } from "../../../src/core/redact/redact-echoes.ts";

const SECRET = 'sk-live/Zq9+_x=&7é"w';

const charactersOf = (text: string): string[] => Array.from(text);

const hexadecimal = (code: number, digits: number): string =>
  code.toString(16).padStart(digits, "0");

const eachUnit = (text: string, encode: (code: number) => string): string =>
  Array.from({ length: text.length }, (_, at) => encode(text.charCodeAt(at))).join("");

const eachByte = (text: string, encode: (byte: number) => string): string =>
  [...Buffer.from(text)].map(encode).join("");

const eachCodePoint = (text: string, encode: (code: number) => string): string =>
  charactersOf(text)
    .map((character) => encode(character.codePointAt(0) ?? 0))
    .join("");

const NAMED: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
const inUrl = (text: string): string => encodeURIComponent(text);
const inHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => NAMED[character] ?? "");

/** Each leaves no trace of the secret that could be decoded, should the result not be found. */
const ENCODINGS = {
  "as it is": (text: string) => text,
  "as JSON": inJson,
  "as JSON with slashes escaped": (text: string) => inJson(text).replaceAll("/", String.raw`\/`),
  "as \\u00xx": (text: string) => eachUnit(text, (code) => `\\u${hexadecimal(code, 4)}`),
  "as \\u00XX": (text: string) =>
    eachUnit(text, (code) => `\\u${hexadecimal(code, 4).toUpperCase()}`),
  "as \\u{x}": (text: string) => eachCodePoint(text, (code) => `\\u{${code.toString(16)}}`),
  "percent-encoded": inUrl,
  "percent-encoded throughout": (text: string) =>
    eachByte(text, (byte) => `%${hexadecimal(byte, 2)}`),
  "percent-encoded as in a form": (text: string) =>
    new URLSearchParams({ "": text }).toString().slice(1),
  "with entities": inHtml,
  "with decimal entities throughout": (text: string) => eachCodePoint(text, (code) => `&#${code};`),
  "with hexadecimal entities throughout": (text: string) =>
    eachCodePoint(text, (code) => `&#x${code.toString(16)};`),
  "in hexadecimal": (text: string) => eachByte(text, (byte) => hexadecimal(byte, 2)),
  "in capital hexadecimal": (text: string) =>
    eachByte(text, (byte) => hexadecimal(byte, 2)).toUpperCase(),
  "in base64": (text: string) => Buffer.from(text).toString("base64"),
  "in base64url": (text: string) => Buffer.from(text).toString("base64url"),
  "in base64 in JSON": (text: string) =>
    Buffer.from(text)
      .toString("base64")
      .replaceAll("/", String.raw`\/`),
  "in base64 in a URL": (text: string) => inUrl(Buffer.from(text).toString("base64")),
  "as UTF-8 read as Latin-1": (text: string) => Buffer.from(text).toString("latin1"),
} satisfies Record<string, (text: string) => string>;

/** The outer one spans the whole text, as it does where one text is put within another. */
const NESTED_ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  "as JSON in JSON": (text: string) => inJson(inJson(text)),
  "as \\u00xx in JSON": (text: string) =>
    inJson(eachUnit(text, (code) => `\\u${hexadecimal(code, 4)}`)),
  "percent-encoded twice": (text: string) => inUrl(inUrl(text)),
  "percent-encoded JSON": (text: string) => inUrl(inJson(text)),
  "as JSON with entities": (text: string) => inHtml(inJson(text)),
};

/** Neither one word nor one number, which are found between other characters only. */
const isTelling = (text: string): boolean =>
  text.length >= 8 && new Set(text).size >= 4 && /[^a-z]/i.test(text) && /\D/.test(text);

const credentials = fc.oneof(
  fc
    .string({ minLength: 8, maxLength: 200, unit: "grapheme" })
    .filter((text) => isTelling(text) && text.isWellFormed()),
  fc.string({ minLength: 8, maxLength: 80 }).filter(isTelling),
);
const surroundings = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({
    maxLength: 40,
    unit: fc.constantFrom("\\", "%", "&", "+", "2", "5", "u", "0", ";", '"'),
  }),
);

const words = fc.string({
  maxLength: 40,
  unit: fc.constantFrom("k", "e", "y", " ", ":", "{", "é"),
});

describe("a credential in an answer never survives", () => {
  test.each(Object.entries(ENCODINGS))(
    "a credential in an answer never survives, encoded %s",
    (_, encode) => {
      fc.assert(
        fc.property(credentials, surroundings, surroundings, (secret, before, after) => {
          const echo = encode(secret);
          const shown = createEchoRedactor([secret])(`${before}${echo}${after}`);
          expect(shown).not.toContain(echo);
          expect(shown).toContain("[redacted]");
        }),
      );
    },
  );

  test.each(Object.entries(NESTED_ENCODINGS))(
    "a credential in an answer never survives, doubly encoded %s",
    (_, encode) => {
      fc.assert(
        fc.property(credentials, words, words, (secret, before, after) => {
          const echo = encode(secret);
          const shown = createEchoRedactor([secret])(`${before}${echo}${after}`);
          expect(shown).not.toContain(echo);
          expect(shown).toContain("[redacted]");
        }),
      );
    },
  );

  test("a credential never survives with each character encoded differently", () => {
    const ofCharacter = fc.constantFrom<(text: string) => string>(
      (text) => text,
      ENCODINGS["as \\u00xx"],
      ENCODINGS["percent-encoded throughout"],
      ENCODINGS["with decimal entities throughout"],
      inJson,
      inHtml,
    );
    fc.assert(
      fc.property(
        credentials,
        fc.array(ofCharacter, { minLength: 1, maxLength: 20 }),
        surroundings,
        (secret, encoders, around) => {
          const echo = charactersOf(secret)
            .map((character, at) => encoders[at % encoders.length]?.(character) ?? "")
            .join("");
          const shown = createEchoRedactor([secret])(around + echo + around);
          expect(shown).not.toContain(echo);
        },
      ),
    );
  });

  test.each(["base64", "base64url"] as const)(
    "a credential never survives within longer %s",
    (encoding) => {
      fc.assert(
        fc.property(
          credentials,
          fc.uint8Array({ maxLength: 9 }),
          fc.uint8Array({ maxLength: 9 }),
          (secret, before, after) => {
            const bytes = Buffer.concat([before, Buffer.from(secret), after]);
            const shown = createEchoRedactor([secret])(`"${bytes.toString(encoding)}"`);
            const left = shown.split("[redacted]").map((part) => part.replaceAll('"', ""));
            // No four bytes in a row of it can be read from what is left.
            const kept = left.map((part) => part.length).reduce((sum, length) => sum + length, 0);
            expect(kept).toBeLessThanOrEqual(
              2 + Math.ceil(((before.length + after.length) * 4) / 3) + 2,
            );
            expect(shown).toContain("[redacted]");
          },
        ),
      );
    },
  );

  test("a credential never survives where the text was cut, even its beginning alone", () => {
    const redact = createEchoRedactor([SECRET]);
    for (let length = 8; length < SECRET.length; length += 1) {
      const cut = SECRET.slice(0, length);
      expect(redact(`key ${cut}`)).toBe("key [redacted]");
      expect(redact(`"key ${cut}…" (HTTP 500)`)).toBe('"key [redacted]…" (HTTP 500)');
    }
    const escaped = ENCODINGS["as \\u00xx"](SECRET);
    for (let length = 8 * 6; length < escaped.length; length += 1) {
      expect(redact(`key ${escaped.slice(0, length)}`)).toBe("key [redacted]");
    }
  });

  test("a credential longer than the searched pieces never survives", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 65, maxLength: 2000, unit: "binary-ascii" }), (secret) => {
        fc.pre(new Set(secret).size >= 20);
        const redact = createEchoRedactor([secret]);
        const around = "\u{2022}";
        expect(redact(around + secret + around)).toBe(`${around}[redacted]${around}`);
        expect(redact(Buffer.from(secret).toString("base64"))).toBe("[redacted]");
      }),
      { numRuns: 20 },
    );
  });

  test("a credential never survives beside another that overlaps it", () => {
    const redact = createEchoRedactor(["abcdefgh1234", "1234xyzw5678"]);
    expect(redact("<abcdefgh1234xyzw5678>")).toBe("<[redacted]>");
  });
});

describe("other text is kept", () => {
  test("redaction keeps the text around an echo, character by character", () => {
    fc.assert(
      fc.property(surroundings, surroundings, (before, after) => {
        const shown = createEchoRedactor([SECRET])(`${before}|${SECRET}|${after}`);
        expect(shown).toBe(`${before}|[redacted]|${after}`);
      }),
    );
  });

  test("redaction keeps a text that holds no secret", () => {
    const redact = createEchoRedactor([SECRET]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(redact(text)).toBe(text);
      }),
    );
  });

  test.each(["", "a", "job", "error", "12345"])(
    "redaction keeps a text when the credential is as short as %j",
    (secret) => {
      const text = `a job ended in error 12345, see ${secret}`;
      expect(createEchoRedactor([secret])(text)).toBe(text);
    },
  );

  test.each([
    ["000000", "1000000.00 EUR of 10000000", "key=000000;", "key=[redacted];"],
    ["sandbox", "sandboxes", "sandbox", "[redacted]"],
    ["password", "passwords, nopassword", "(password)", "([redacted])"],
    ["87654321", "id 1876543210", "id 87654321.", "id [redacted]."],
    ["aaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", '{"k":"aaaaaaaaaaaa"}', '{"k":"[redacted]"}'],
  ])(
    "around the trivial credential %s, unless it is a word of its own",
    (secret, other, echo, shown) => {
      const redact = createEchoRedactor([secret]);
      expect(redact(other)).toBe(other);
      expect(redact(echo)).toBe(shown);
    },
  );

  test("redaction keeps JSON valid when an echo is within a string", () => {
    const redact = createEchoRedactor([SECRET]);
    const json = JSON.stringify({ message: `key ${SECRET} is "bad"`, code: 7 });
    expect(JSON.parse(redact(json))).toEqual({ message: 'key [redacted] is "bad"', code: 7 });
  });
});

describe("the work is bounded", () => {
  test("a text of partial secrets is masked rather than searched for long", () => {
    const secret = `${"a".repeat(4000)}b${"a".repeat(4000)}cd`;
    const text = "a".repeat(1_000_000);
    const shown = createEchoRedactor([secret])(text);
    expect(shown.length).toBeLessThan(text.length);
    expect(shown).toMatch(/\[redacted\]$/);
  });

  test("redacting a secret of backslashes in a text of backslashes terminates", () => {
    const secret = `${"\\".repeat(60)}abcd`;
    const shown = createEchoRedactor([secret])("\\".repeat(100_000));
    expect(shown).toMatch(/\[redacted\]$/);
  });
});
