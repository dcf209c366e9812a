import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import type { InboxName } from "../../store/inboxes/place-messages.ts";
import { problemOfParts } from "../http/problem.ts";
import type { InvalidPart, Outcome } from "../http/problem.ts";

/** An inbox that is there. */
export interface FoundInbox extends InboxName {
  /** Of this inbox, and not of an earlier one of the same name. */
  readonly inboxId: string;
}

const HEX_DIGITS = 32;

/** A position as clients have it. */
export function cursorOf(inbox: FoundInbox, position: number): string {
  return encodeCursor(scopeOf(inbox), position.toString(16).padStart(HEX_DIGITS, "0"));
}

/**
 * The position behind a cursor of this inbox.
 * @param where it was given
 */
export function positionOf(
  inbox: FoundInbox,
  cursor: string,
  where: Omit<InvalidPart, "detail">,
): Outcome<number> {
  const id = decodeCursor(scopeOf(inbox), cursor);
  if (id.ok && id.value !== null) {
    const position = Number.parseInt(id.value.replaceAll("-", ""), 16);
    if (Number.isSafeInteger(position)) return { ok: true, value: position };
  }
  const detail = "Use a cursor that reading this inbox gave, unchanged.";
  return { ok: false, problem: problemOfParts("invalid_cursor", [{ ...where, detail }]) };
}

function scopeOf({ projectId, inboxId }: FoundInbox): string {
  return listScope("messages of an inbox", projectId, { inboxId });
}
