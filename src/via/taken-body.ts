import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { PointerTokens } from "../providers/language/json-pointer.ts";
import type { Clock } from "../runtime/clock.ts";
import {
  type CallbackField,
  type FieldBody,
  fieldBodyOf,
  LOOKED_AT_BODY_BYTES_MAX,
  takeCallbackField,
  type TakenField,
} from "./callback-field.ts";
import { readBeginning, type RequestBody } from "./request-body.ts";

/** A body as it goes upstream. */
export interface TakenBody {
  readonly body: Readable | Buffer | null;
  /** How many bytes were taken off it; 0 for a body that is as it came. */
  readonly bytesTaken: number;
  readonly callback: CallbackField | null;
}

/** How long a body may stand still. */
interface Patience {
  readonly clock: Clock;
  readonly idleMs: number;
}

/**
 * Takes the fields that say where the callback goes off a body. Its beginning is read for that, and
 * held; the rest streams. At once where nothing has to be waited for. Null when nothing more has come for a while.
 */
export function takeFromBody(
  request: IncomingMessage,
  body: RequestBody | Buffer | null,
  fields: readonly PointerTokens[],
  patience: Patience,
): TakenBody | Promise<TakenBody | null> {
  const kind = body === null || fields.length === 0 ? null : fieldBodyOf(request.headers);
  if (body === null || kind === null) return { body, bytesTaken: 0, callback: null };
  if (!Buffer.isBuffer(body)) return takeFromStream(request, body, { kind, fields, patience });
  const taken = takeCallbackField(body, true, kind, fields);
  return takenBody(body, taken, taken?.body ?? body);
}

async function takeFromStream(
  request: IncomingMessage,
  body: RequestBody,
  of: {
    readonly kind: FieldBody;
    readonly fields: readonly PointerTokens[];
    readonly patience: Patience;
  },
): Promise<TakenBody | null> {
  const beginning = await readBeginning(body, LOOKED_AT_BODY_BYTES_MAX, of.patience);
  if (beginning === null) return null;
  const { part, isWhole } = beginning;
  const taken = takeCallbackField(part, isWhole, of.kind, of.fields);
  const left = taken?.body ?? part;
  // Only a stream can have trailers after it.
  if (isWhole) {
    return takenBody(part, taken, request.rawTrailers.length === 0 ? left : Readable.from([left]));
  }
  if (left.length > 0) body.unshift(left);
  return takenBody(part, taken, body);
}

function takenBody(part: Buffer, taken: TakenField | null, body: Readable | Buffer): TakenBody {
  const bytesTaken = taken === null ? 0 : part.length - taken.body.length;
  return { body, bytesTaken, callback: taken?.callback ?? null };
}
