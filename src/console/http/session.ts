import { randomBytes, timingSafeEqual } from "node:crypto";
import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type SecretBox, SecretBoxError } from "../../runtime/secrets/secret-box.ts";

/** A session that is not used for so long is over. */
const IDLE_MS_MAX = 3_600_000;
/** However much it is used. */
const SESSION_MS_MAX = 12 * 3_600_000;
/** A session is written again at most so often. */
const RENEWED_EVERY_MS = 300_000;
/** Sessions that were signed out on this node. When there are more, the key with the most loses its oldest. */
const SIGNED_OUT_MAX = 10_000;
const ID_BYTES = 18;

const PLACE = { column: "console.session", id: "" } as const;
const CSRF_PURPOSE = "console change";

/** A person who is signed in. The API key itself is kept nowhere. */
export interface Session {
  readonly id: string;
  /** Hash of the API key that authenticates every request: revoking the key ends the session. */
  readonly keyHash: string;
  readonly startedAtMs: number;
  readonly usedAtMs: number;
}

/** Sessions live in a sealed cookie, so that every node of the gateway can open them. */
export class Sessions {
  readonly #secretBox: SecretBox;
  readonly #clock: Clock;
  /** By their ids. */
  readonly #signedOut = new SharedCache<true>(SIGNED_OUT_MAX);

  constructor(options: { readonly secretBox: SecretBox; readonly clock: Clock }) {
    this.#secretBox = options.secretBox;
    this.#clock = options.clock;
  }

  begin(keyHash: string): Session {
    const nowMs = this.#clock.now();
    const id = randomBytes(ID_BYTES).toString("base64url");
    return { id, keyHash, startedAtMs: nowMs, usedAtMs: nowMs };
  }

  seal({ id, keyHash, startedAtMs, usedAtMs }: Session): string {
    return this.#secretBox.seal(JSON.stringify([id, keyHash, startedAtMs, usedAtMs]), PLACE);
  }

  /** Null when it is over, was signed out, or is none of this gateway's. */
  open(sealed: string): Session | null {
    const session = this.#read(sealed);
    if (session === null || this.#signedOut.has(session.id)) return null;
    return this.#clock.now() < endOf(session) ? session : null;
  }

  /** The session as it is to be written now that it was used; null while that was done recently. */
  renewed(session: Session): Session | null {
    const nowMs = this.#clock.now();
    return nowMs - session.usedAtMs < RENEWED_EVERY_MS ? null : { ...session, usedAtMs: nowMs };
  }

  /** Ends it on this node, even for copies of its cookie; on other nodes it ends when it expires. */
  signOut(session: Session): void {
    this.#signedOut.set(session.keyHash, session.id, true);
  }

  /** Goes into every form of the session, and is good for no other. */
  csrfToken(session: Session): string {
    return this.#secretBox.digests(CSRF_PURPOSE, session.id)[0];
  }

  /** Compares in constant time. */
  isCsrfToken(session: Session, text: string): boolean {
    const given = Buffer.from(text);
    return this.#secretBox
      .digests(CSRF_PURPOSE, session.id)
      .map((digest) => Buffer.from(digest))
      .map((right) => right.length === given.length && timingSafeEqual(right, given))
      .includes(true);
  }

  #read(sealed: string): Session | null {
    try {
      const fields = JSON.parse(this.#secretBox.open(sealed, PLACE)) as unknown;
      if (!Array.isArray(fields)) return null;
      const [id, keyHash, startedAtMs, usedAtMs] = fields as [string, string, number, number];
      return { id, keyHash, startedAtMs, usedAtMs };
    } catch (error) {
      if (error instanceof SecretBoxError || error instanceof SyntaxError) return null;
      throw error;
    }
  }
}

function endOf({ startedAtMs, usedAtMs }: Session): number {
  return Math.min(startedAtMs + SESSION_MS_MAX, usedAtMs + IDLE_MS_MAX);
}
