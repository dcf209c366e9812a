import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import type { InboxName } from "../../store/inboxes/place-messages.ts";
import { problemOfParts } from "../http/problem.ts";
import type { InvalidPart, Outcome } from "../http/problem.ts";

/** An existing inbox. */
export interface FoundInbox extends InboxName {
  /** Id of this inbox, not of an earlier one of the same name. */
  readonly inboxId: string;
}

const HEX_DIGITS = 32;

/** A position in the form for clients. */
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
  const detail = "Use a cursor from a page of this inbox's messages, unchanged.";
  return { ok: false, problem: problemOfParts("invalid_cursor", [{ ...where, detail }]) };
}

function scopeOf({ projectId, inboxId }: FoundInbox): string {
  return listScope("messages of an inbox", projectId, { inboxId });
}
