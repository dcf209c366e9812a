import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { PointerTokens } from "../providers/language/json-pointer.ts";
import type { Clock } from "../runtime/clock.ts";
import {
  type CallbackField,
  fieldBodyOf,
  LOOKED_AT_BODY_BYTES_MAX,
  takeCallbackField,
} from "./callback-field.ts";
import { readBeginning, type RequestBody } from "./request-body.ts";

/** A body as it goes upstream. */
export interface TakenBody {
  readonly body: Readable | Buffer | null;
  /** How many bytes were taken off it; 0 for a body that is as it came. */
  readonly bytesTaken: number;
  readonly callback: CallbackField | null;
}

/**
 * Takes the fields that say where the callback goes off a body. Its beginning is read for that, and
 * held; the rest streams. Null when nothing more has come for a while.
 */
export async function takeFromBody(
  request: IncomingMessage,
  body: RequestBody | Buffer | null,
  fields: readonly PointerTokens[],
  patience: { readonly clock: Clock; readonly idleMs: number },
): Promise<TakenBody | null> {
  const kind = body === null || fields.length === 0 ? null : fieldBodyOf(request.headers);
  if (body === null || kind === null) return { body, bytesTaken: 0, callback: null };
  const beginning = Buffer.isBuffer(body)
    ? { part: body, isWhole: true }
    : await readBeginning(body, LOOKED_AT_BODY_BYTES_MAX, patience);
  if (beginning === null) return null;
  const { part, isWhole } = beginning;
  const taken = takeCallbackField(part, isWhole, kind, fields);
  const left = taken?.body ?? part;
  if (isWhole || Buffer.isBuffer(body)) {
    return {
      // Only a stream can have trailers after it.
      body: request.rawTrailers.length === 0 ? left : Readable.from([left]),
      bytesTaken: part.length - left.length,
      callback: taken?.callback ?? null,
    };
  }
  if (left.length > 0) body.unshift(left);
  return {
    body,
    bytesTaken: part.length - left.length,
    callback: taken?.callback ?? null,
  };
}
