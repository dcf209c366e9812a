import { createHash } from "node:crypto";
import { problemOfParts } from "../http/problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";

const UUID_BYTES = 16;
const CHECK_BYTES = 8;
const CURSOR = /^[\w-]{32}$/;

/**
 * Where the next page of a list begins: the id of the last row of this one, with a check that binds
 * it to the list and its filters. The check prevents mistakes, not forgery: a forged cursor reads
 * no more than the list would show anyway.
 * @param scope names the list, its project and its filters
 */
export function encodeCursor(scope: string, id: string): string {
  const bytes = Buffer.from(id.replaceAll("-", ""), "hex");
  return Buffer.concat([bytes, check(scope, bytes)]).toString("base64url");
}

/** The id behind a cursor of the same list, or a problem that names the parameter. */
export function decodeCursor(scope: string, cursor: string | undefined): Outcome<string | null> {
  if (cursor === undefined) return { ok: true, value: null };
  const bytes = Buffer.from(CURSOR.test(cursor) ? cursor : "", "base64url");
  const id = bytes.subarray(0, UUID_BYTES);
  if (!check(scope, id).equals(bytes.subarray(UUID_BYTES))) return INVALID;
  const hex = id.toString("hex");
  const parts = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ] as const;
  return { ok: true, value: parts.map(([from, to]) => hex.slice(from, to)).join("-") };
}

const TEXT_CURSOR = /^[\w-]+$/;

/** The same for a list in the order of texts, such as names. */
export function encodeTextCursor(scope: string, text: string): string {
  const bytes = Buffer.from(text);
  return Buffer.concat([check(scope, bytes), bytes]).toString("base64url");
}

/** The text behind a cursor of the same list, or a problem that names the parameter. */
export function decodeTextCursor(
  scope: string,
  cursor: string | undefined,
): Outcome<string | null> {
  if (cursor === undefined) return { ok: true, value: null };
  const bytes = Buffer.from(TEXT_CURSOR.test(cursor) ? cursor : "", "base64url");
  const text = bytes.subarray(CHECK_BYTES);
  if (!check(scope, text).equals(bytes.subarray(0, CHECK_BYTES))) return INVALID;
  return { ok: true, value: text.toString() };
}

function check(scope: string, id: Uint8Array): Buffer {
  return createHash("sha256")
    .update(scope)
    .update("\n")
    .update(id)
    .digest()
    .subarray(0, CHECK_BYTES);
}

const INVALID: Refusal = {
  ok: false,
  problem: problemOfParts("invalid_cursor", [
    {
      parameter: "cursor",
      detail:
        "Use the next_cursor of the previous page, unchanged, with the same filters; or leave it " +
        "out.",
    },
  ]),
};

/** Names a list with its filters, for {@link encodeCursor}. */
export function listScope(list: string, projectId: string, filters: object): string {
  return JSON.stringify([list, projectId, filters]);
}
