import { Webhook } from "standardwebhooks";
import { joined } from "./bounded-body.ts";
import type { KeySet } from "./key-set.ts";

/** The signed content of a request and its signatures. */
export interface SignedRequest {
  readonly id: string;
  /** Unix seconds, as the header has them. */
  readonly timestamp: string;
  /** Signatures of Standard Webhooks between spaces. */
  readonly signature: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The body as UTF-8. */
  readonly text: string;
}

export interface VerifierOptions {
  readonly secrets: readonly string[];
  readonly keys: KeySet | null;
  readonly toleranceS: number;
  readonly now: () => number;
}

// Standard Webhooks 1.0.0.
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
const TIMESTAMP = /^\d{1,12}$/;
/** More than a rotation of both schemes has; each costs a verification. */
const SIGNATURES_MAX = 10;
const ED25519_BYTES = 64;

/** Checks signatures after Standard Webhooks 1.0, `v1` and `v1a`. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #webhooks: readonly Webhook[];

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#webhooks = options.secrets.map(webhookOf);
  }

  /**
   * Null when it is genuine and new; otherwise says what to look at.
   * @throws {KeySetUnavailableError} when keys are needed and can't be had
   */
  async problemWith(request: SignedRequest): Promise<string | null> {
    const { toleranceS, keys, now } = this.#options;
    if (!TIMESTAMP.test(request.timestamp)) return "webhook-timestamp must be Unix seconds.";
    const offS = Math.abs(now() / 1000 - Number(request.timestamp));
    if (offS > toleranceS) {
      return `webhook-timestamp is ${Math.round(offS)} s off: check the receiver's clock.`;
    }
    const signatures = request.signature.split(" ").slice(0, SIGNATURES_MAX);
    if (this.#isSignedBySecret(request, signatures)) return null;
    if (keys !== null && (await keys.verifies(signedBytes(request), edSignatures(signatures)))) {
      return null;
    }
    return "No signature matches: check the secret, and that nothing changes the body before it is verified.";
  }

  #isSignedBySecret(
    { id, timestamp, text }: SignedRequest,
    signatures: readonly string[],
  ): boolean {
    const at = new Date(Number(timestamp) * 1000);
    return this.#webhooks.some((webhook) => {
      const expected = webhook.sign(id, at, text);
      return signatures.some((signature) => isEqual(signature, expected));
    });
  }
}

function webhookOf(secret: string): Webhook {
  const base64 = secret.replace(/^whsec_/, "");
  const bytes = Math.floor((base64.replace(/=+$/, "").length * 3) / 4);
  if (bytes < SECRET_BYTES_MIN || bytes > SECRET_BYTES_MAX) {
    throw new TypeError(
      `secret must be whsec_ and the base64 of ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes, as GET /v1/signing-secrets shows it; this one has ${bytes}.`,
    );
  }
  if (bytesOfBase64(base64) === null) {
    throw new TypeError(
      "secret must be whsec_ and base64; copy it again, as GET /v1/signing-secrets shows it.",
    );
  }
  return new Webhook(secret);
}

function signedBytes({ id, timestamp, body }: SignedRequest): Uint8Array<ArrayBuffer> {
  const start = new TextEncoder().encode(`${id}.${timestamp}.`);
  return joined([start, body], start.byteLength + body.byteLength);
}

function edSignatures(signatures: readonly string[]): Uint8Array<ArrayBuffer>[] {
  return signatures
    .filter((signature) => signature.startsWith("v1a,"))
    .flatMap((signature) => bytesOfBase64(signature.slice("v1a,".length)) ?? [])
    .filter(({ byteLength }) => byteLength === ED25519_BYTES);
}

/** Null when it is not base64. */
export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Takes the same time wherever the texts differ. */
function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
