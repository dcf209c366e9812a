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

function closingQuote(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
