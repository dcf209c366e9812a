import { invalidPointers } from "../../runtime/settings/invalid-places.ts";
import { isObject } from "../language/json-pointer.ts";
import type { UpstreamResponse } from "../language/read-body.ts";
import { answerOfSample, sampleAnswerSchema } from "./sample.ts";

const SAMPLE_FIELDS: readonly string[] = ["status", "headers", "body"];
const STATUS_LINE = /^HTTP\/[\d.]+ (\d{3})(?: [^\r\n]*)?\r?\n/;

type PastedAnswer =
  | {
      readonly ok: true;
      readonly answer: UpstreamResponse;
      /** It is a body alone, so its status was not in it. */
      readonly isBare: boolean;
    }
  | { readonly ok: false; readonly faults: ReturnType<typeof invalidPointers> };

/**
 * Reads an answer of an upstream as a person has it: what `curl -i` printed, a bare body, or a sample,
 * `{"status": 200, "headers": {…}, "body": …}`.
 * @param status of a bare body
 */
export function readPastedAnswer(bytes: Buffer, status: number): PastedAnswer {
  const text = bytes.toString("utf8");
  if (STATUS_LINE.test(text)) return { ok: true, answer: answerOfCurl(bytes), isBare: false };
  const json = parsed(text);
  if (!isSample(json)) {
    return { ok: true, answer: { status, headers: {}, body: bytes }, isBare: true };
  }
  const sample = sampleAnswerSchema.safeParse(json);
  return sample.success
    ? { ok: true, answer: answerOfSample(sample.data, text, []), isBare: false }
    : { ok: false, faults: invalidPointers(sample.error.issues) };
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
