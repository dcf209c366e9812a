import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLog } from "../../../src/runtime/process/log.ts";
import type { Log, LogFormat, LogOptions } from "../../../src/runtime/process/log.ts";
import { redactText } from "../../../src/runtime/secrets/redact.ts";

/** A log whose lines are kept as text. */
function setUp(options: Partial<LogOptions> = {}): { log: Log; text: () => string } {
  let text = "";
  const destination = { write: (line: string) => void (text += line) };
  return {
    log: createLog({ level: "trace", format: "json", destination, ...options }),
    text: () => text,
  };
}

/** The one line that was logged. */
function logged(write: (log: Log) => void): Record<string, unknown> {
  const { log, text } = setUp();
  write(log);
  return JSON.parse(text()) as Record<string, unknown>;
}

const FORMATS: LogFormat[] = ["json", "pretty"];
const SECRET = "hunter2hunter2";

/** Ways in which a careless line could give a secret away. */
const LEAKS: Record<string, (log: Log) => void> = {
  "a header": (log) => log.info({ headers: { Authorization: SECRET } }, "sent"),
  "a header of another spelling": (log) => log.info({ headers: { "X-API-KEY": SECRET } }, "sent"),
  "headers as a flat list": (log) => log.info({ headers: ["x-api-key", SECRET] }, "sent"),
  "a cookie": (log) => log.info({ "set-cookie": [`session=${SECRET}`] }, "answered"),
  "a field deep inside": (log) => log.info({ a: [{ b: { c: { signingSecret: SECRET } } }] }, "x"),
  "a whole connection": (log) => log.info({ connection: { id: 1, credential: { key: SECRET } } }),
  "the bindings of a child": (log) => log.child({ apiKey: SECRET }).info("hello"),
  "nested bindings of a child": (log) => log.child({ at: { access_token: [SECRET] } }).info("hi"),
  "an API key in the message": (log) => log.info(`key rb_${SECRET} was used`),
  "an API key as an argument": (log) => log.info("key %s was used", `rb_${SECRET}`),
  "a signing secret in the message": (log) => log.info(`signed with whsec_${SECRET}=.`),
  "a bearer in the message": (log) => log.info(`sent authorization: Bearer ${SECRET}`),
  "a key header in the message": (log) => log.info(`sent x-api-key: ${SECRET}`),
  "a database URL": (log) => log.info({ url: `postgres://me:p@${SECRET}@db:5432/x` }),
  "a URL object": (log) => log.info({ at: new URL(`https://me:${SECRET}@example.com`) }),
  "a formatted object": (log) => log.info("connection %o", { password: SECRET }),
  "a body as text": (log) => log.info({ body: `{"id": 1, "api_key": "a\\"${SECRET}"}` }),
  "an error": (log) => log.error(new Error(`401 for Bearer ${SECRET}`)),
  "an error under another name": (log) => log.warn({ reason: new Error(`rb_${SECRET}`) }, "no"),
  "the cause of an error": (log) =>
    log.error(new Error("no", { cause: new Error(`postgres://a:${SECRET}@b`) })),
  "a field of an error": (log) => log.error(Object.assign(new Error("no"), { token: SECRET })),
  bytes: (log) => log.info({ key: Buffer.from(SECRET) }, "loaded"),
};

describe.each(FORMATS)("no secret comes out as %s", (format) => {
  test.each(Object.keys(LEAKS))("no secret is logged in this format by way of %s", (way) => {
    const { log, text } = setUp({ format });
    LEAKS[way]?.(log);
    expect(text()).not.toBe("");
    expect(text()).not.toContain(SECRET);
    expect(text()).not.toContain(Buffer.from(SECRET).join(","));
  });
});

describe.each(FORMATS)("a secret of this process does not come out as %s", (format) => {
  const own = "9f8e7d/6c5b+4a3";

  test.each<[string, (text: string) => string]>([
    ["as it is", (text) => text],
    ["percent-encoded", encodeURIComponent],
    ["in base64", (text) => Buffer.from(`me:${text}`).toString("base64")],
    ["in JSON", (text) => JSON.stringify({ text: text.replaceAll("/", "\\u002f") })],
  ])("a secret of this process is not logged in this format %s", (_, encode) => {
    const { log, text } = setUp({ format, secrets: [own] });
    const echo = encode(own);
    log.warn({ err: new Error(`refused: ${echo}`), answer: [echo] }, `refused ${echo}`);
    expect(text()).toContain("[redacted]");
    expect(text()).not.toContain(echo.slice(4, 12));
  });
});

describe("fields that are not redacted", () => {
  test("an error keeps its type, message, stack, code and cause", () => {
    const error = Object.assign(new TypeError("no answer", { cause: new Error("reset") }), {
      code: "ECONNRESET",
    });
    expect(logged((log) => log.error({ jobs: 3, err: error }, "poll failed"))).toMatchObject({
      level: "error",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      msg: "poll failed",
      jobs: 3,
      err: {
        type: "TypeError",
        message: "no answer",
        stack: expect.stringContaining("\n    at "),
        code: "ECONNRESET",
        cause: { message: "reset" },
      },
    });
  });

  test("whether there is a secret, and the number of tokens left, is not redacted", () => {
    const fields = { hasCredential: true, secret: null, tokens: 4, tokenKind: "bearer" };
    expect(logged((log) => log.info(fields))).toMatchObject(fields);
  });

  test("a URL keeps its user, host and path", () => {
    expect(redactText("postgres://me:secret@db:5432/x?a=b")).toBe(
      "postgres://me:[redacted]@db:5432/x?a=b",
    );
  });

  test("ordinary text passes unchanged", () => {
    const text = `verb_tense at https://a.example:8080/x@y?q=1, "token bucket": 4; token: none`;
    expect(redactText(text)).toBe(text);
  });

  test("dates and URLs read as text", () => {
    const fields = { at: new Date(0), url: new URL("https://a.example/b") };
    expect(logged((log) => log.info(fields))).toMatchObject({
      at: "1970-01-01T00:00:00.000Z",
      url: "https://a.example/b",
    });
  });

  test("a circular or very deep object ends", () => {
    const circle: Record<string, unknown> = {};
    circle["again"] = circle;
    expect(JSON.stringify(logged((log) => log.info({ circle })))).toContain("[too deep]");
  });
});

test("lines below the level are not written", () => {
  const { log, text } = setUp({ level: "warn" });
  log.info("quiet");
  log.warn("loud");
  expect(text()).toContain("loud");
  expect(text()).not.toContain("quiet");
});

test("a pretty line is one line, readable and without colour codes when not on a terminal", () => {
  const { log, text } = setUp({ format: "pretty" });
  log.info({ port: 8080 }, "listening");
  expect(text()).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: listening \{"port":8080\}\n$/);
});

test.each(FORMATS)("the last %s line before an exit is written", (format) => {
  const module = resolve(import.meta.dirname, "../../../src/runtime/process/log.ts");
  const program = `
    import { createLog } from ${JSON.stringify(module)};
    createLog({ level: "info", format: ${JSON.stringify(format)} }).fatal("last words");
    process.exit(3);`;
  const child = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
  });
  expect(child.status).toBe(3);
  expect(child.stdout).toContain("last words");
});

test("redacted JSON is still JSON, of the same shape", () => {
  const shape = fc.constantFrom("rb_", "whsec_", "Bearer ", "x-api-key: ", "a://b:", "@", " ", '"');
  const text = fc.array(fc.oneof(shape, fc.string())).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.array(text), (texts) => {
      const redacted: unknown = JSON.parse(redactText(JSON.stringify(texts)));
      expect(redacted).toEqual(texts.map(() => expect.any(String)));
    }),
  );
});

test("masking is done at once: masking again changes nothing", () => {
  const parts = fc.constantFrom("rb_", "whsec_", "Bearer ", "abcdef", "http://u:", "@h/", " ", '"');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 20 }), (words) => {
      const once = redactText(words.join(""));
      expect(redactText(once)).toBe(once);
    }),
  );
});
