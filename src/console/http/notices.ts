import { type SecretBox, SecretBoxError } from "../../runtime/secrets/secret-box.ts";
import type { Notice } from "./page.ts";

const PLACE = { column: "console.notice", id: "" } as const;
/** A cookie holds some 4 KiB. */
const TEXT_CHARACTERS_MAX = 600;

/** Sealed, so that no text but the console's own is shown as its own. */
export function sealNotice(secretBox: SecretBox, { kind, text }: Notice): string {
  return secretBox.seal(JSON.stringify([kind, text.slice(0, TEXT_CHARACTERS_MAX)]), PLACE);
}

/** Null for a text that this gateway did not seal. */
export function openNotice(secretBox: SecretBox, sealed: string): Notice | null {
  try {
    const [kind, text] = JSON.parse(secretBox.open(sealed, PLACE)) as [Notice["kind"], string];
    return { kind, text };
  } catch (error) {
    if (error instanceof SecretBoxError) return null;
    throw error;
  }
}
