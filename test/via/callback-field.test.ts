import { describe, expect, test } from "vitest";
import { fieldBodyOf, takeCallbackField } from "../../src/via/callback-field.ts";

const FIELDS = [["callback_url"], ["webhook", "url"], ["hook"]];

function take(contentType: string, body: string, isWhole = true) {
  const kind = fieldBodyOf({ "content-type": contentType });
  if (kind === null) return null;
  const taken = takeCallbackField(Buffer.from(body), isWhole, kind, FIELDS);
  return taken && { body: taken.body.toString(), callback: taken.callback };
}

function multipart(...sections: readonly string[]): string {
  return `${sections.map((section) => `--xyz\r\n${section}\r\n`).join("")}--xyz--\r\n`;
}

const FILE =
  'Content-Disposition: form-data; name="file"; filename="callback_url"\r\nContent-Type: a/b\r\n\r\n--xy\u0000';
const FIELD = 'content-disposition: form-data; name="callback_url"\r\n\r\nhttps://a.example/x';

describe("the field of a body that says where the callback goes", () => {
  test("the callback field is taken off JSON, the first of those that are listed", () => {
    expect(take("application/json", '{"hook":"h","webhook":{"url":"w","e":1},"n":1.0}')).toEqual({
      body: '{"webhook":{"e":1},"n":1.0}',
      callback: { url: "w", pointer: "/webhook/url" },
    });
  });

  test("a callback field is found whose name is written with escapes", () => {
    const body = String.raw`{"callback\u005furl":"https://a.example/x","n":1}`;
    expect(take("application/json", body)).toEqual({
      body: '{"n":1}',
      callback: { url: "https://a.example/x", pointer: "/callback_url" },
    });
  });

  test("a callback field that is not text is taken off and ignored", () => {
    expect(take("application/problem+json; charset=utf-8", '{"callback_url":null}')).toEqual({
      body: "{}",
      callback: null,
    });
  });

  test("the callback field is taken off multipart bodies, and no byte of the other parts changes", () => {
    const body = multipart(FILE, FIELD, 'Content-Disposition: form-data; name="a"\r\n\r\n1');
    expect(take("multipart/form-data; boundary=xyz", body)).toEqual({
      body: multipart(FILE, 'Content-Disposition: form-data; name="a"\r\n\r\n1'),
      callback: { url: "https://a.example/x", pointer: "/callback_url" },
    });
    expect(take('multipart/form-data; charset=x; boundary="xyz"', multipart(FIELD))?.body).toBe(
      "--xyz--\r\n",
    );
    expect(take("multipart/form-data; boundary=xyz", multipart(FILE))).toBeNull();
  });

  test("the callback field is taken off the beginning of a multipart body, unless it ends within it", () => {
    const whole = multipart(FIELD, FILE);
    const until = whole.indexOf("\r\n--xyz\r\n", 10) + 9;
    for (const length of [until, until + 20]) {
      const taken = take("multipart/form-data; boundary=xyz", whole.slice(0, length), false);
      expect((taken?.body ?? "") + whole.slice(length)).toBe(multipart(FILE));
    }
    expect(take("multipart/form-data; boundary=xyz", whole.slice(0, until - 3), false)).toBeNull();
  });

  test("the callback field is taken off forms", () => {
    expect(take("application/x-www-form-urlencoded", "a=%20+&h%6fok=http%3A%2F%2Fx&b")).toEqual({
      body: "a=%20+&b",
      callback: { url: "http://x", pointer: "/hook" },
    });
  });

  test.each([
    ["text/plain", '{"hook":"h"}'],
    ["multipart/form-data", multipart(FIELD)],
    ["multipart/mixed; boundary=xyz", multipart(FIELD)],
    ["", '{"hook":"h"}'],
  ])("the callback field is not searched in a body of type %s", (type, body) => {
    expect(take(type, body)).toBeNull();
  });

  test("the callback field is not searched in a compressed body", () => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect(fieldBodyOf(headers)).toBeNull();
  });
});
