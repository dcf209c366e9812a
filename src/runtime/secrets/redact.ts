import type { EchoRedactor } from "../../core/redact/redact-echoes.ts";

const REDACTED = "[redacted]";

/** Names, in lower case and without - and _, whose values are secret wherever they occur. */
const SECRET_NAME =
  /^(.*authorization|cookie|setcookie|.*(secret|password|passphrase|credential|token|apikey|privatekey|encryptionkey)s?)$/;

// Up to the next blank or quote. Escapes are matched whole, so that JSON stays JSON.
const TOKEN = String.raw`(?:[^\s"\\]|\\.)`;

const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [new RegExp(String.raw`\brb_${TOKEN}{4,}`, "g"), `rb_${REDACTED}`],
  [/\bwhsec_[\w+/=-]+/g, `whsec_${REDACTED}`],
  [new RegExp(String.raw`\b(bearer)\s+${TOKEN}+`, "gi"), `$1 ${REDACTED}`],
  [new RegExp(String.raw`\b(x-api-key\s*[:=]\s*)${TOKEN}+`, "gi"), `$1${REDACTED}`],
  // The password of a URL, up to the last @, since some write an unescaped @ in theirs.
  [/(\b[a-z][\w+.-]{0,20}:\/\/[^\s:/"\\]*:)(?:[^\s/"\\]|\\.)+@/gi, `$1${REDACTED}@`],
];

/** Every shape has one of these, and most texts have none: one search in place of six. */
const MAY_BE_SECRET = /"|rb_|whsec_|bearer|x-api-key|:\/\//i;

const NAMED_TEXT = /"([\w-]+)"(\s*:\s*)"(?:[^"\\]|\\.)*"/g;

/** The text with everything masked that looks like a secret. JSON stays JSON. */
export function redactText(text: string): string {
  if (!MAY_BE_SECRET.test(text)) return text;
  const named = text.replace(NAMED_TEXT, (pair, name: string, colon: string) =>
    isSecretName(name) ? `"${name}"${colon}"${REDACTED}"` : pair,
  );
  return SECRET_SHAPES.reduce((masked, [shape, mask]) => masked.replace(shape, mask), named);
}

/**
 * The same JSON value without the values of secret names, and with its texts redacted.
 * @param redactOwn removes known secrets, whatever they look like
 */
export function redactJson(value: unknown, redactOwn: EchoRedactor): unknown {
  if (typeof value === "string") return redactText(redactOwn(value));
  if (Array.isArray(value)) return redactItems(value, redactOwn);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, redactUnder(name, field, redactOwn)]),
  );
}

/** Headers may be one flat list of names and values. */
function redactItems(items: readonly unknown[], redactOwn: EchoRedactor): unknown[] {
  return items.map((item, index) => {
    const name = items[index - 1];
    return typeof name === "string"
      ? redactUnder(name, item, redactOwn)
      : redactJson(item, redactOwn);
  });
}

function redactUnder(name: string, value: unknown, redactOwn: EchoRedactor): unknown {
  // Booleans and counts reveal nothing about a credential.
  const tells = typeof value === "string" || (typeof value === "object" && value !== null);
  return tells && isSecretName(name) ? REDACTED : redactJson(value, redactOwn);
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.toLowerCase().replaceAll(/[-_]/g, ""));
}
