import { bufferOf, releaseBytes } from "../bytes.ts";

/**
 * A result as raw JSON, exactly as the upstream wrote it: text, or of a large one the text's UTF-8
 * bytes. A large string lies where V8 looks for garbage late, so that several more wait there.
 */
export type RawResult = string | Uint8Array;

export function bytesOfResult(result: RawResult): number {
  return typeof result === "string" ? Buffer.byteLength(result) : result.byteLength;
}

export function textOfResult(result: RawResult): string {
  return typeof result === "string" ? result : utf8OfResult(result).toString();
}

/**
 * Bytes share their memory.
 * @internal The published types know no `Buffer`: not every platform has one.
 */
export function utf8OfResult(result: RawResult): Buffer {
  return typeof result === "string" ? Buffer.from(result) : bufferOf(result);
}

/** Gives the memory of bytes back; of a text, nothing. */
export function releaseResult(result: RawResult): void {
  if (typeof result !== "string") releaseBytes(result);
}
