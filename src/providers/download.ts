import { bytesOfResult, type RawResult, textOfResult } from "../core/raw-result.ts";
import type { Places } from "./compile-answers.ts";
import { type CompiledRequest, compileRequest } from "./compile-request.ts";
import { splitPointer, valueAt } from "./json-pointer.ts";
import { resultRequestSchema } from "./request-definition.ts";
import type { ResultDefinition } from "./result-definition.ts";

/** How a result that is a link is fetched. */
export interface CompiledDownload {
  /** In the result. */
  readonly urlAt: Places;
  /** To hosts that the credential may go to; null when it is not sent. */
  readonly withCredential: CompiledRequest | null;
  /** To all hosts that a link may lead to. */
  readonly without: CompiledRequest;
}

export function compileDownload(result: ResultDefinition): CompiledDownload | null {
  if (result.kind === "request" || result.download === undefined) return null;
  const { url_at: urlAt, credential, hosts } = result.download;
  const compile = (rest: object) =>
    compileRequest(resultRequestSchema.parse({ url_at: urlAt, ...rest }), {
      params: {},
      accept: "*/*",
    });
  return Object.freeze({
    urlAt: urlAt.map(splitPointer),
    withCredential: credential ? compile({}) : null,
    without: compile({ credential: false, hosts }),
  });
}

/** A link is short; what is larger is the result itself. */
const LINK_BYTES_MAX = 16 * 1024;

/** The link that a result is, or null. */
export function linkIn(download: CompiledDownload, result: RawResult): string | null {
  if (bytesOfResult(result) > LINK_BYTES_MAX) return null;
  const json: unknown = JSON.parse(textOfResult(result));
  for (const place of download.urlAt) {
    const value = valueAt(json, place);
    if (typeof value === "string" && /^https?:/i.test(value)) return value;
  }
  return null;
}
