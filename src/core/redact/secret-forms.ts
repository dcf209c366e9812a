/** Longer forms are searched for piece by piece, which bounds the work at each place of a text. */
const PIECE_CHARACTERS_MAX = 64;
/** Shorter secrets can't be told from ordinary text. */
const SECRET_CHARACTERS_MIN = 6;
/** From this length on, with enough different characters, a secret is found inside words too. */
const STRONG_CHARACTERS_MIN = 8;
const STRONG_DISTINCT_MIN = 4;

/** Any of these may be an ordinary word or number. */
const ONE_WORD = /^(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,9})$/;

/** One spelling of a secret, or a piece of one, before any escaping of its characters. */
export interface SecretForm {
  readonly text: string;
  /** Found only where no letter or digit precedes or follows. */
  readonly isWholeWord: boolean;
  /** A match of this many characters counts where the text was cut. */
  readonly cutCharactersMin: number;
  /** The characters beside it hold some of the secret's bits, or are padding. */
  readonly isBase64: boolean;
}

/**
 * The spellings in which a text may hold one of the secrets: as it is, in hexadecimal, and in base64
 * and base64url, also where it begins in the middle of a longer encoding. Secrets of less than six
 * characters have none. Short or monotonous ones, and those that look like one word or number, are
 * found as whole words only, so that a credential such as `000000` does not blank out every amount.
 */
export function secretForms(secrets: readonly string[]): readonly SecretForm[] {
  const forms = new Map<string, SecretForm>();
  for (const secret of secrets) {
    if (secret.length < SECRET_CHARACTERS_MIN) continue;
    for (const form of formsOf(secret)) forms.set(form.text, form);
  }
  return [...forms.values()];
}

function formsOf(secret: string): SecretForm[] {
  if (!isStrong(secret)) return [form(secret, { isWholeWord: true })];
  const bytes = Buffer.from(secret);
  const hexadecimal = bytes.toString("hex");
  const plain = new Set([
    secret,
    // UTF-8 that was read as Latin-1.
    bytes.toString("latin1"),
    hexadecimal,
    hexadecimal.toUpperCase(),
  ]);
  return [
    ...[...plain].flatMap((text) => pieces(text).map((piece) => form(piece))),
    ...[0, 1, 2].flatMap((offset) => base64Forms(bytes, offset)),
  ];
}

function isStrong(secret: string): boolean {
  if (secret.length < STRONG_CHARACTERS_MIN || ONE_WORD.test(secret)) return false;
  return new Set(secret).size >= STRONG_DISTINCT_MIN;
}

/** @param offset how many bytes precede the secret in its group of three */
function base64Forms(bytes: Buffer, offset: number): SecretForm[] {
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const spellings = new Set([padded.toString("base64"), padded.toString("base64url")]);
  return [...spellings].flatMap((spelling) =>
    pieces(spelling.slice(first, end)).map((piece) => form(piece, { isBase64: true })),
  );
}

function form(
  text: string,
  { isWholeWord = false, isBase64 = false }: Partial<SecretForm> = {},
): SecretForm {
  const cutCharactersMin = Math.max(4, Math.min(8, text.length >> 1));
  return { text, isWholeWord, cutCharactersMin, isBase64 };
}

function pieces(text: string): string[] {
  if (text.length <= PIECE_CHARACTERS_MAX) return [text];
  const found: string[] = [];
  for (let from = 0; from + PIECE_CHARACTERS_MAX < text.length; from += PIECE_CHARACTERS_MAX) {
    found.push(text.slice(from, from + PIECE_CHARACTERS_MAX));
  }
  return [...found, text.slice(-PIECE_CHARACTERS_MAX)];
}
