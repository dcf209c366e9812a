import { type SecretBox, SecretBoxError } from "../../runtime/secrets/secret-box.ts";

const PLACE = { column: "console.link", id: "" } as const;

/** The part of the project that a link shows. */
export type LinkLimit =
  | { readonly kind: "project" }
  /** Both ids are public ones. */
  | { readonly kind: "subscription"; readonly id: string; readonly jobId: string }
  /** `key=value`, as the list of subscriptions takes it. */
  | { readonly kind: "metadata"; readonly filter: string };

/**
 * A link to the console, for somebody without an API key. It is stored nowhere: the link itself says, sealed,
 * what it shows and until when. The row of its id serves to list and to revoke it.
 */
export interface ConsoleLink {
  readonly id: string;
  readonly projectId: string;
  /** Hash of the key that made it, which answers for every request: revoking the key ends the link. */
  readonly keyHash: string;
  readonly limit: LinkLimit;
  readonly mayRedeliver: boolean;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** The text of a link that goes into its address. */
export function sealLink(secretBox: Pick<SecretBox, "seal">, link: ConsoleLink): string {
  return secretBox.seal(JSON.stringify(link), PLACE);
}

/** Null for a text that is no link of this gateway. Whether it is over is for the caller to judge. */
export function openLink(secretBox: Pick<SecretBox, "open">, text: string): ConsoleLink | null {
  try {
    return JSON.parse(secretBox.open(text, PLACE)) as ConsoleLink;
  } catch (error) {
    if (error instanceof SecretBoxError) return null;
    throw error;
  }
}
