const PREFIX = "whsec_";
// Standard Webhooks 1.0.0.
const BYTES_MIN = 24;
const BYTES_MAX = 64;

/** Describes a problem with a `whsec_…` secret to the person who sent it, or returns null. Never quotes the secret. */
export function problemWithSigningSecret(secret: string): string | null {
  if (!secret.startsWith(PREFIX)) return "Must start with whsec_.";
  const base64 = secret.slice(PREFIX.length);
  const bytes = Buffer.from(base64, "base64");
  // Node's decoder skips what it can't read.
  if (bytes.toString("base64") !== base64) return "Must be base64, with its padding, after whsec_.";
  if (bytes.length >= BYTES_MIN && bytes.length <= BYTES_MAX) return null;
  return `Must hold ${BYTES_MIN} to ${BYTES_MAX} random bytes; this holds ${bytes.length}.`;
}
