const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/**
 * The exact source text of each item of a JSON array, in one pass without recursion: slicing item
 * by item would read the text once for every item.
 * @param text valid JSON, an array; anything else gives arbitrary slices but never throws
 * @param itemsMax later items are left out, unread
 */
export function splitRawArray(text: string, itemsMax = Infinity): string[] {
  const items: string[] = [];
  const end = text.lastIndexOf("]");
  const start = text.indexOf("[") + 1;
  let itemStart = start;
  let depth = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = closingQuote(text, at);
    else if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    else if (code === COMMA && depth === 0) {
      items.push(text.slice(itemStart, at).trim());
      if (items.length >= itemsMax) return items;
      itemStart = at + 1;
    }
  }
  const last = text.slice(itemStart, end).trim();
  if (last !== "") items.push(last);
  return items;
}

/** How deep the containers of a JSON text are nested; 0 for a scalar. */
export function rawJsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = closingQuote(text, at);
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return deepest;
}

/** The position of the quote that closes the string opened at `from`, or the end of the text. */
function closingQuote(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    at += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
}
