import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { weighJson } from "../../../src/core/json/json-weight.ts";
import { textOfResult } from "../../../src/core/json/raw-result.ts";
import {
  AnswerReader,
  type AnswerReaderOptions,
} from "../../../src/polling/request/body-reader.ts";
import type { Interpretation } from "../../../src/providers/answer/interpret.ts";
import { exampleProvider } from "../../providers/example-provider.ts";
import { testRuntime } from "../../support/runtime.ts";

const provider = exampleProvider();
const ORIGIN = "https://api.example.com";
const QUESTION = {
  kind: "status",
  facts: { seenBefore: true, ageMs: 0, nowMs: 0, unchanged: null },
} as const;

function openReader(options: Partial<AnswerReaderOptions> = {}) {
  const reader = new AnswerReader(testRuntime(), {
    largeBytesMin: 1000,
    parsedBytesMax: 256 * 2 ** 20,
    heapBytesMax: 512 * 2 ** 20,
    timeoutMs: 60_000,
    ...options,
  });
  onTestFinished(() => reader.close());
  const begin = (body: string, origin = ORIGIN) =>
    reader.read(origin, QUESTION, provider, { status: 200, headers: {}, body: Buffer.from(body) });
  return { reader, begin, read: async (body: string, origin?: string) => begin(body, origin) };
}

function resultOf(interpretation: Interpretation | null): string | null {
  return interpretation?.kind === "completed" ? textOfResult(interpretation.result) : null;
}

const doneWith = (output: string) => `{"status":"done","output":${output}}`;
const SPACE = " ".repeat(2000);

describe("an answer", () => {
  test("a small answer is read at once", () => {
    const { begin } = openReader();
    expect(begin(doneWith("1.0"))).toMatchObject({ kind: "completed", result: "1.0" });
  });

  test("a large answer means the same, digit by digit, read in another thread", async () => {
    const { begin, read } = openReader();
    const reading = begin(doneWith(`[1.0,"é😀${SPACE}"]`));
    expect(reading).toBeInstanceOf(Promise);
    expect(resultOf(await reading)).toBe(`[1.0,"é😀${SPACE}"]`);
    expect(await read(`{"status":"running"}${SPACE}`)).toMatchObject({ kind: "running" });
    expect(await read(`<html>${SPACE}`)).toMatchObject({ cause: "unusable_answer" });
  });

  test("a compressed answer counts by its expanded size", async () => {
    const { reader } = openReader();
    const begin = async (body: string) =>
      reader.read(ORIGIN, QUESTION, provider, {
        status: 200,
        headers: { "content-encoding": "gzip" },
        body: gzipSync(body),
      });
    expect(resultOf(await begin(doneWith("1.0")))).toBe("1.0");
    expect(resultOf(await begin(doneWith(`2.0${SPACE}`)))).toBe("2.0");
    const bomb = doneWith(`"${"x".repeat(provider.statusBytesMax)}"`);
    expect(await begin(bomb)).toMatchObject({
      cause: "unreadable_answer",
      reason: expect.stringContaining("Decompressed, the answer is larger than"),
    });
  });

  test("answers are read in turn, and each gets its own meaning", async () => {
    const { read } = openReader();
    const readings = await Promise.all([1, 2, 3, 4].map((n) => read(doneWith(`${n}${SPACE}`))));
    expect(readings.map(resultOf)).toEqual(["1", "2", "3", "4"]);
  });
});

test("an answer waits for at most two of many answers from another origin", async () => {
  const { read } = openReader();
  const order: string[] = [];
  const readAs = async (origin: string): Promise<void> => {
    await read(doneWith(`1${SPACE}`), origin);
    order.push(origin);
  };
  await Promise.all(["a", "a", "a", "a", "b"].map(readAs));
  expect(order.indexOf("b")).toBe(2);
  expect(order).toHaveLength(5);
});

describe("an answer that is small enough to be read at once", () => {
  const SMALL_BYTES_MAX = 256 * 1024;
  const fill = (piece: string, start = "[", end = "1]", bytes = 200 * 1024): string => {
    const count = Math.floor((bytes - start.length - end.length) / piece.length);
    return start + piece.repeat(count) + end;
  };
  const keys = (count: number): string =>
    `{${Array.from({ length: count }, (_, index) => `"${index.toString(36)}k":1`).join(",")}}`;
  const hidden = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);

  function open() {
    const { reader } = openReader({ largeBytesMin: SMALL_BYTES_MAX });
    const parse = vi.spyOn(JSON, "parse");
    onTestFinished(() => parse.mockRestore());
    return (body: Buffer, headers = {}) => {
      parse.mockClear();
      const reading = reader.read(ORIGIN, QUESTION, provider, { status: 200, headers, body });
      return { reading, parsedHere: parse.mock.calls.length };
    };
  }

  test.each([
    ["arrays in arrays", "[".repeat(100_000) + "]".repeat(100_000)],
    ["unclosed arrays", "[".repeat(200_000)],
    ["objects in objects", `${'{"a":'.repeat(30_000)}1${"}".repeat(30_000)}`],
    ["empty arrays", fill("[],")],
    ["empty objects", fill("{},")],
    ["arrays of one", fill("[1],")],
    ["objects of one", fill('{"a":1},')],
    ["keys of their own", keys(20_000)],
    ["numbers as keys", fill('{"1":1},')],
  ])(
    "an answer with more than a few thousand %s is not parsed on the event loop",
    async (_, output) => {
      const read = open();
      const { reading, parsedHere } = read(Buffer.from(doneWith(output)));
      expect(reading).toBeInstanceOf(Promise);
      expect(parsedHere).toBe(0);
      await reading;
    },
  );

  test("a text whose charset hides its contents is not parsed on the event loop", async () => {
    const read = open();
    // Its first string holds a character with a quote among its bytes.
    const text = `{"a":"\u2230","status":"done","output":${"[".repeat(60_000)}${"]".repeat(60_000)}}`;
    for (const [body, headers] of [
      [hidden(text), {}],
      [Buffer.from(text), { "content-type": "application/json; charset=iso-2022-jp" }],
    ] as const) {
      const { reading, parsedHere } = read(body, headers);
      expect(reading).toBeInstanceOf(Promise);
      expect(parsedHere).toBe(0);
      await reading;
    }
  });

  test.each([
    ["a text", `"${"x".repeat(200_000)}"`],
    ["many numbers", fill("12345.678,")],
    ["a table", fill('{"name":"Anna Miller","street":"Long Road","city":"Springfield","age":41},')],
    ["brackets in a text", `"${"[{".repeat(100_000)}"`],
  ])("%s, small enough to be read at once, is parsed on the event loop", async (_, output) => {
    const { reading, parsedHere } = open()(Buffer.from(doneWith(output)));
    expect(reading).not.toBeInstanceOf(Promise);
    expect(parsedHere).toBeGreaterThan(0);
    expect(await reading).toMatchObject({ kind: "completed" });
  });

  test("a few kilobytes of brackets are parsed on the event loop in no more time than the heaviest allowed answer", () => {
    for (const output of ["[".repeat(8_000) + "]".repeat(8_000), fill("{},", "[", "1]", 16_000)]) {
      const body = Buffer.from(doneWith(output));
      expect(open()(body).reading).not.toBeInstanceOf(Promise);
      expect(weighJson(body, 2 * 2 ** 20)).toBe("fits");
    }
  });
});

describe("an answer that is built to do harm", () => {
  test.each([
    ["brackets", "[".repeat(400_000) + "]".repeat(400_000), "it is nested too deeply"],
    ["objects", `[${"{},".repeat(700_000)}1]`, "parsing it would take more than 16 MiB of memory"],
  ])(
    "a harmful answer of %s is not parsed, and the next one is read anyway",
    async (_, output, why) => {
      const { read } = openReader({ parsedBytesMax: 16 * 2 ** 20 });
      const bomb = read(doneWith(output));
      const next = read(doneWith(`1${SPACE}`));
      expect(await bomb).toMatchObject({
        kind: "retry",
        cause: "unreadable_answer",
        reason: expect.stringContaining(why),
      });
      expect(resultOf(await next)).toBe("1");
    },
  );

  test("a harmful answer kills at most its own thread, and the next one is read anyway", async () => {
    const { read } = openReader({ heapBytesMax: 24 * 2 ** 20 });
    const bomb = read(doneWith(`[${"{},".repeat(700_000)}1]`));
    const next = read(doneWith(`1${SPACE}`));
    expect(await bomb).toMatchObject({
      cause: "unreadable_answer",
      reason: expect.stringContaining("it takes too much memory to read"),
    });
    expect(resultOf(await next)).toBe("1");
  }, 120_000);

  test("a harmful answer takes no more time than allowed, and the next one is read anyway", async () => {
    const { reader, read } = openReader({ timeoutMs: 0 });
    expect(await read(doneWith(`[${"{},".repeat(1_000_000)}1]`))).toMatchObject({
      kind: "retry",
      reason: expect.stringContaining("it takes longer than 0 s to read"),
    });
    await reader.close();
    const patient = openReader();
    expect(await patient.read(doneWith(`1${SPACE}`))).toMatchObject({ kind: "completed" });
  });
});

test("a reader that is closed says nothing of what it did not get to know", async () => {
  const { reader, read } = openReader();
  const readings = [read(doneWith(`1${SPACE}`)), read(doneWith(`2${SPACE}`))];
  await reader.close();
  expect(await Promise.all(readings)).toContain(null);
  expect(await read(doneWith(`3${SPACE}`))).toBeNull();
});
