import { hashApiKey } from "../runtime/secrets/api-key.ts";
import type { Clock } from "../runtime/clock.ts";
import type { KnownApiKey } from "../store/projects/api-keys.ts";
import type { MayChange } from "./access.ts";

const KEY_CHARACTERS_MAX = 1024;
/** A few keys may wait to be looked up at once. */
const SOURCE = { name: "sandbox", address: "sandbox", waitingMax: 4 };

/** The keys that this node knows. */
export interface KeySource {
  find(keyHash: string): KnownApiKey | null;
  isUnknown(keyHash: string): boolean;
  /** Null when too many wait. */
  lookUp(
    keyHash: string,
    source: { readonly name: string; readonly address: string; readonly waitingMax: number },
  ): Promise<KnownApiKey | null> | null;
}

/** Takes the keys that may subscribe, as the API does. */
export function keyCheck(keys: KeySource, clock: Clock): MayChange {
  return async (authorization) => {
    const [, text = ""] = /^bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    if (text === "" || text.length > KEY_CHARACTERS_MAX) return false;
    const keyHash = hashApiKey(text);
    if (keys.isUnknown(keyHash)) return false;
    const key = keys.find(keyHash) ?? (await keys.lookUp(keyHash, SOURCE));
    if (key === null || key.revokedAtMs !== null) return false;
    if (key.expiresAtMs !== null && key.expiresAtMs <= clock.now()) return false;
    return key.scopes.includes("subscriptions:write") || key.scopes.includes("admin");
  };
}
