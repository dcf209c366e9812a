import { closeJson } from "../core/json/close-json.ts";
import { decodeBody } from "../outbound/exchange/content-encoding.ts";
import type { RelayedHead } from "../outbound/exchange/relayed-exchange.ts";

const UNREADABLE = Buffer.alloc(0);

/**
 * The body of an answer as far as it can be read: decompressed, and closed where only its beginning is
 * there. Empty when it can't be.
 * @param bytesMax of the decompressed body
 */
export function readableBody(
  headers: RelayedHead["headers"],
  bytes: Buffer,
  { isWhole, bytesMax }: { readonly isWhole: boolean; readonly bytesMax: number },
): Buffer {
  const decoded = decodeBody(headers, bytes, bytesMax);
  if (decoded.kind !== "decoded") return UNREADABLE;
  const closed = isWhole ? null : closeJson(decoded.body.toString("utf8"));
  return closed === null ? decoded.body : Buffer.from(closed);
}
