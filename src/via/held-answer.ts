import { closeJson } from "../core/json/json-repair.ts";
import type { ProjectLimits } from "../core/limits/project-limits.ts";
import { MemoryBudget } from "../lanes/shares/memory-budget.ts";
import { decodeBody } from "../outbound/exchange/content-encoding.ts";
import type { RelayedHead } from "../outbound/exchange/relayed-exchange.ts";

/** So much of an answer is held without counting it. */
const HELD_BYTES_FREE = 64 * 1024;
const UNREADABLE = Buffer.alloc(0);

/** Memory for answers to submissions that are held until their job is subscribed to. */
export function heldAnswersBudget<Holder extends { readonly projectId: string }>(
  bytesMax: number,
  limits: Pick<ProjectLimits, "allowed">,
): MemoryBudget<Holder> {
  return new MemoryBudget<Holder>({
    resource: "held_answer_bytes",
    bytesFree: HELD_BYTES_FREE,
    bytesMax,
    bytesPerGroupMax: (projectId) =>
      Math.min(bytesMax / 2, limits.allowed(projectId, "via_answer_bytes")),
    groupOf: ({ projectId }) => projectId,
  });
}

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
