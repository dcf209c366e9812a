import { readFile, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { isObject } from "../providers/language/json-pointer.ts";
import type { UpstreamResponse } from "../providers/language/read-body.ts";
import { answerOfSample, sampleAnswerSchema } from "../providers/trial/sample.ts";
import { invalidPointers } from "../runtime/settings/invalid-places.ts";

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const SAMPLE_FIELDS: readonly string[] = ["status", "headers", "body"];
const STATUS_LINE = /^HTTP\/[\d.]+ (\d{3})(?: [^\r\n]*)?\r?\n/;

/** An answer of an upstream, as a file has it. */
export type AnswerReading =
  | {
      readonly answer: UpstreamResponse;
      /** How the file was understood, where that is not plain. */
      readonly notes: readonly string[];
    }
  | { readonly problems: readonly string[] };

/**
 * Reads an answer from a file, or from standard input for `-`: what `curl -i` printed, a bare body, or a
 * sample, `{"status": 200, "headers": {…}, "body": …}`.
 * @param status of a bare body
 */
export async function readAnswer(
  file: string,
  { status, stdin }: { readonly status: number; readonly stdin: Readable },
): Promise<AnswerReading> {
  const bytes = await bytesOf(file, stdin);
  if (typeof bytes === "string") return { problems: [`${file}: ${bytes}`] };
  const text = bytes.toString("utf8");
  if (STATUS_LINE.test(text)) return { answer: answerOfCurl(bytes), notes: [] };
  const json = parsed(text);
  if (!isSample(json)) {
    const notes = [
      `${file} is read as a body that came with HTTP ${status}; --status says another.`,
    ];
    return { answer: { status, headers: {}, body: bytes }, notes };
  }
  const sample = sampleAnswerSchema.safeParse(json);
  if (sample.success) return { answer: answerOfSample(sample.data, text, []), notes: [] };
  return { problems: problemLines(file, invalidPointers(sample.error.issues)) };
}

async function bytesOf(file: string, stdin: Readable): Promise<Buffer | string> {
  try {
    if (file === "-") return await buffer(stdin);
    const { size } = await stat(file);
    if (size > ANSWER_BYTES_MAX) return `It is larger than ${ANSWER_BYTES_MAX / 1024} KiB.`;
    return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return code === "ENOENT" ? "There is no such file or folder." : `It can't be read (${code}).`;
  }
}

/** A body of its own may have a `status` too, in its own words. */
function isSample(json: unknown): boolean {
  if (!isObject(json)) return false;
  if (!Object.keys(json).every((name) => SAMPLE_FIELDS.includes(name))) return false;
  const { status } = json;
  const isHttpStatus = Number.isInteger(status) && Number(status) >= 100 && Number(status) <= 599;
  return isHttpStatus || Object.hasOwn(json, "body") || Object.hasOwn(json, "headers");
}

/** The last of the answers that curl printed: interim ones and those of proxies come before it. */
function answerOfCurl(bytes: Buffer): UpstreamResponse {
  let rest = bytes;
  for (;;) {
    // Bytes and characters count the same in latin1, and a head is ASCII.
    const text = rest.toString("latin1");
    const [, status = "0"] = STATUS_LINE.exec(text) ?? [];
    const end = /\r?\n\r?\n/.exec(text);
    const headEnd = end === null ? text.length : end.index;
    const body = rest.subarray(end === null ? text.length : end.index + end[0].length);
    if (STATUS_LINE.test(body.subarray(0, 200).toString("latin1"))) {
      rest = body;
      continue;
    }
    return { status: Number(status), headers: headersOf(text.slice(0, headEnd)), body };
  }
}

function headersOf(head: string): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = {};
  for (const line of head.split(/\r?\n/).slice(1)) {
    const [, name, value = ""] = /^([^:\s]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) continue;
    const before = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The mistakes of a file, each with its place. */
export function problemLines(
  file: string,
  problems: readonly { readonly pointer: string; readonly detail: string }[],
): string[] {
  const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
  return [
    `${file} has ${count}:`,
    ...problems.map(
      ({ pointer, detail }) => `  ${pointer === "" ? "all of it" : pointer}: ${detail}`,
    ),
  ];
}
