import type { SignatureScheme } from "../../core/signing/signature-scheme.ts";
import { SecretBoxError } from "../../runtime/secrets/secret-box.ts";
import { type SigningKey, signingKey } from "./sign.ts";

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

const V1A: readonly SignatureScheme[] = ["v1a"];

/**
 * The keys of a callback that has a secret of its own. It stands in for the project's, not for its
 * signing key.
 * @param open gives the secret, `whsec_…`; asked only if it signs
 * @param projectKeys those of the schemes that the project signs with
 */
export async function keysWithOwnSecret(
  schemes: readonly SignatureScheme[],
  open: () => string,
  projectKeys: (schemes: readonly SignatureScheme[]) => Promise<readonly SigningKey[]>,
): Promise<readonly SigningKey[]> {
  if (!schemes.includes("v1")) return projectKeys(schemes);
  const own = signingKey("v1", open());
  return schemes.includes("v1a") ? [own, ...(await projectKeys(V1A))] : [own];
}
