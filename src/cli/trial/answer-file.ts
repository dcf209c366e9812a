import { readFile, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { UpstreamResponse } from "../../providers/language/read-body.ts";
import { readPastedAnswer } from "../../providers/trial/pasted-answer.ts";

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/** An answer of an upstream, as a file has it. */
type AnswerReading =
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
  const read = readPastedAnswer(bytes, status);
  if (!read.ok) return { problems: problemLines(file, read.faults) };
  const notes = [`${file} is read as a body that came with HTTP ${status}; --status says another.`];
  return { answer: read.answer, notes: read.isBare ? notes : [] };
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
