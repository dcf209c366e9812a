import { SecretBoxError } from "../runtime/secret-box.ts";
import type { SigningKey } from "./sign-callback.ts";

/** Why nothing can be signed, and so nothing is sent. */
export interface NoKeys {
  readonly code: "secret_unreadable" | "secret_missing";
  readonly message: string;
}

export const NO_SECRET =
  "The project has no secret of the kind that its callbacks are signed with.";

/** Keys to sign with, one at least. A database that is away rejects. */
export async function readKeys(
  read: () => Promise<readonly SigningKey[]>,
): Promise<readonly SigningKey[] | NoKeys> {
  try {
    const keys = await read();
    if (keys.length > 0) return keys;
    return { code: "secret_missing", message: NO_SECRET };
  } catch (error) {
    if (!(error instanceof SecretBoxError)) throw error;
    return { code: "secret_unreadable", message: error.message };
  }
}
