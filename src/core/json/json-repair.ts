const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NON_FINITE = /-?(?:NaN|Infinity)/y;

/**
 * The text with `null` in place of `NaN`, `Infinity` and `-Infinity`, which JSON lacks and Python and
 * others write all the same; `JSON.stringify` writes `null` for them too. Null when there is none.
 * @param text JSON but for these words; in any other the repair may not help
 */
export function nullNonFinite(text: string): string | null {
  if (!text.includes("NaN") && !text.includes("Infinity")) return null;
  const parts: string[] = [];
  let copiedTo = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = closingQuote(text, at);
    } else if (code === 0x4e || code === 0x49 || code === 0x2d) {
      NON_FINITE.lastIndex = at;
      if (!NON_FINITE.test(text)) continue;
      parts.push(text.slice(copiedTo, at), "null");
      copiedTo = NON_FINITE.lastIndex;
      at = copiedTo - 1;
    }
  }
  if (parts.length === 0) return null;
  parts.push(text.slice(copiedTo));
  return parts.join("");
}

/** The position of the quote that closes the string opened at `from`, or the end of the text. */
function closingQuote(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) {
    at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  }
  return at;
}

/**
 * The beginning of a JSON text made whole: cut after the last member or element that is there in full,
 * with the containers that are open closed. Null when there is nothing to close.
 * @param text the beginning of valid JSON; of anything else the outcome is arbitrary
 */
export function closeJson(text: string): string | null {
  const open: string[] = [];
  let safeAt = -1;
  /** How many containers were open there. */
  let depth = 0;
  const isSafe = (at: number): void => {
    safeAt = at;
    depth = open.length;
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    switch (character) {
      case '"':
        at = closingQuote(text, at);
        break;
      case "{":
      case "[":
        if (open.push(character === "{" ? "}" : "]") > DEPTH_MAX) return null;
        isSafe(at + 1);
        break;
      case "}":
      case "]":
        open.pop();
        isSafe(at + 1);
        break;
      case ",":
        isSafe(at);
        break;
      default:
    }
  }
  // Those that were open there are open still: closing one is a safe place of its own.
  return safeAt === -1 ? null : text.slice(0, safeAt) + open.slice(0, depth).reverse().join("");
}

const DEPTH_MAX = 1000;
