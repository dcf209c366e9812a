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

/** Of bytes the same memory. */
export function utf8OfResult(result: RawResult): Buffer {
  if (typeof result === "string") return Buffer.from(result);
  return Buffer.from(result.buffer, result.byteOffset, result.byteLength);
}

/** Gives the memory of bytes back at once instead of when it is found to be garbage. */
export function releaseResult(result: RawResult): void {
  if (typeof result !== "string" && result.buffer instanceof ArrayBuffer) result.buffer.transfer(0);
}
