import { describe, expect, test } from "vitest";
import { readBody } from "../../../src/providers/language/read-body.ts";

const json = "application/json";

function read(body: Buffer | string, contentType = json) {
  const headers = { "content-type": contentType };
  const reading = readBody({ status: 200, headers, body: Buffer.from(body) });
  return reading.kind === "json" ? reading.json : reading.why;
}

const latin1 = (text: string) => Buffer.from(text, "latin1");
const utf16le = (text: string) => Buffer.from(text, "utf16le");
const utf16be = (text: string) => utf16le(text).swap16();

describe("the charset of a body", () => {
  test.each<[string, Buffer]>([
    [`${json}; charset=iso-8859-1`, latin1('"Café"')],
    [`${json};charset="windows-1252"`, latin1('"Café"')],
    [`${json}; charset=utf-16le`, utf16le('"Café"')],
    [`${json}; charset=utf-16be`, utf16be('"Café"')],
    [json, utf16le('\ufeff"Café"')],
    [json, utf16be('\ufeff"Café"')],
    [json, Buffer.from('\ufeff"Café"')],
    [`${json}; charset=UTF-8`, Buffer.from('"Café"')],
    [`${json}; charset=nothing-known`, Buffer.from('"Café"')],
    // By default in some frameworks, whatever they send.
    [`${json}; charset=ISO-8859-1`, Buffer.from('"Café"')],
  ])("a body of %s is read", (contentType, body) => {
    expect(read(body, contentType)).toBe("Café");
  });

  test("a body in shift_jis is read", () => {
    const body = Buffer.from([0x22, 0x93, 0xfa, 0x96, 0x7b, 0x22]);
    expect(read(body, `${json}; charset=shift_jis`)).toBe("日本");
  });

  test("a body that is not in its declared charset is reported as such", () => {
    expect(read(Buffer.from([0x22, 0x81, 0x22]), `${json}; charset=shift_jis`)).toBe(
      "it is not shift_jis, as it declares",
    );
    expect(read(latin1('"Café"'))).toBe("it is not UTF-8 and declares no other charset");
    expect(read(Buffer.from("%PDF-1.7\n\xe2\xe3", "latin1"), "application/pdf")).toBe(
      "it is not UTF-8 text, and other content can't be a result",
    );
  });

  test("a charset does not hide how deep a text is nested", () => {
    const deep = utf16le(`\ufeff${"[".repeat(40_000)}${"]".repeat(40_000)}`);
    expect(read(deep)).toBe("it is nested too deeply");
  });
});

test("numbers that JSON lacks are read as null", () => {
  expect(read('{"score":NaN,"range":[-Infinity,Infinity],"note":"NaN"}')).toEqual({
    score: null,
    range: [null, null],
    note: "NaN",
  });
});
