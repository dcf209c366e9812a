import { skipRawString } from "./raw-json.ts";

const QUOTE = 0x22;
const SPACE = 0x20;
/** So many pieces become one string, so that a large text is never held in millions of them. */
const PIECES_MAX = 4096;

/**
 * JSON text without the white space between its tokens; strings and the digits of numbers stay.
 * The same string when there is none, as most programs write it.
 * @param text valid JSON
 */
export function compactJson(text: string): string {
  let compact = "";
  let pieces: string[] = [];
  let keptUpTo = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipRawString(text, at);
      continue;
    }
    if (code <= SPACE) {
      if (at > keptUpTo) pieces.push(text.slice(keptUpTo, at));
      keptUpTo = at + 1;
      if (pieces.length === PIECES_MAX) {
        compact += pieces.join("");
        pieces = [];
      }
    }
    at += 1;
  }
  if (keptUpTo === 0) return text;
  return compact + pieces.join("") + text.slice(keptUpTo);
}
