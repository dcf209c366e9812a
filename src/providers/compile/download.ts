import { bytesOfResult, type RawResult, textOfResult } from "../../core/json/raw-result.ts";
import type { Places } from "./answers.ts";
import { type CompiledRequest, compileRequest } from "./request.ts";
import { splitPointer, valueAt } from "../language/json-pointer.ts";
import { resultRequestSchema } from "../definition/request.ts";
import type { ResultDefinition } from "../definition/result.ts";

/** How a result that is a link is fetched. */
export interface CompiledDownload {
  /** Place in the result. */
  readonly urlAt: Places;
  /** For hosts that the credential may go to; null when it is not sent. */
  readonly withCredential: CompiledRequest | null;
  /** For all hosts that a link may lead to. */
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

/** A link is short; larger content is the result itself. */
const LINK_BYTES_MAX = 16 * 1024;

// Absolute, or relative in a form that no ordinary text has.
const LINK_FORM = /^(?:https?:|\.{0,2}\/|\?)\S+$/i;

/** The link that a result is, as it is written there, or null. */
export function linkIn(download: CompiledDownload, result: RawResult): string | null {
  if (bytesOfResult(result) > LINK_BYTES_MAX) return null;
  const json: unknown = JSON.parse(textOfResult(result));
  for (const place of download.urlAt) {
    const value = valueAt(json, place);
    if (typeof value !== "string") continue;
    // Where the whole result may be a text, only text that looks like a link is one.
    const isLink = place.length === 0 ? LINK_FORM.test(value) : /^\S+$/.test(value);
    if (isLink) return value;
  }
  return null;
}
