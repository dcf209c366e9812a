interface Member {
  readonly key: string;
  readonly start: number;
  readonly valueStart: number;
  /** After the value; null when the text ends within it, or may. */
  readonly valueEnd: number | null;
  /** Where the next member starts; null after the last one. */
  readonly next: number | null;
}

interface Cut {
  readonly start: number;
  readonly end: number;
}

/**
 * Takes members off the JSON object that `text` begins with, and leaves every other byte as it is. All
 * that have the same key are taken; the last one's value counts, as for `JSON.parse`. Null when the
 * text is not JSON as far as it was read, or has none of them.
 *
 * @param text one character for each byte (Latin-1), so that places in it are places in the bytes
 * @param isWhole false for the beginning of a longer text, of which only whole members are taken
 * @param paths each the keys that lead to a member, through objects only
 */
export function cutJsonMembers(
  text: string,
  isWhole: boolean,
  paths: readonly (readonly string[])[],
): {
  /** Each byte of the UTF-8 text as one character. */
  readonly text: string;
  /** The source text of the values that were cut, by their place in `paths`. */
  readonly values: ReadonlyMap<number, string>;
} | null {
  const values = new Map<number, string>();
  const cuts: Cut[] = [];
  const wanted = paths.map((path, index) => ({ index, path: path.map(latin1) }));
  const visit = (from: number, depth: number, within: typeof wanted): boolean => {
    const members = readMembers(text, from, isWhole);
    if (members === null) return false;
    let keptEnd: number | null = null;
    for (const member of members) {
      const named = within.filter(({ path }) => path[depth] === member.key);
      const taken = named.find(({ path }) => path.length === depth + 1);
      if (taken !== undefined && member.valueEnd !== null) {
        values.set(taken.index, text.slice(member.valueStart, member.valueEnd));
        const start = member.next === null ? (keptEnd ?? member.start) : member.start;
        cuts.push({ start, end: member.next ?? member.valueEnd });
        continue;
      }
      keptEnd = member.valueEnd;
      const deeper = named.filter(({ path }) => path.length > depth + 1);
      if (deeper.length > 0 && text[member.valueStart] === "{") {
        if (!visit(member.valueStart, depth + 1, deeper)) return false;
      }
    }
    return true;
  };
  const start = skipSpace(text, 0);
  if (text[start] !== "{" || !visit(start, 0, wanted) || cuts.length === 0) return null;
  return { text: without(text, cuts), values };
}

function without(text: string, cuts: readonly Cut[]): string {
  let kept = "";
  let at = 0;
  for (const { start, end } of cuts.toSorted((a, b) => a.start - b.start)) {
    if (start > at) kept += text.slice(at, start);
    at = Math.max(at, end);
  }
  return kept + text.slice(at);
}

/** The members of the object at `from`, as far as the text has them; null when it is not JSON. */
function readMembers(text: string, from: number, isWhole: boolean): readonly Member[] | null {
  const members: Member[] = [];
  const cutOff = isWhole ? null : members;
  let at = skipSpace(text, from + 1);
  if (text[at] === "}") return members;
  for (;;) {
    const start = at;
    if (start >= text.length) return cutOff;
    const keyEnd = text[start] === '"' ? skipString(text, start) : null;
    if (keyEnd === null) return text[start] === '"' ? cutOff : null;
    const colon = skipSpace(text, keyEnd);
    if (colon >= text.length) return cutOff;
    const key = keyOf(text.slice(start, keyEnd));
    if (text[colon] !== ":" || key === null) return null;
    const valueStart = skipSpace(text, colon + 1);
    const valueEnd = skipValue(text, valueStart);
    const after = valueEnd === null ? text.length : skipSpace(text, valueEnd);
    // The rest has not arrived yet: the value may continue, or more members may come.
    if (valueEnd === null || after >= text.length) {
      members.push({ key, start, valueStart, valueEnd: null, next: null });
      return cutOff;
    }
    if (text[after] === "}") {
      members.push({ key, start, valueStart, valueEnd, next: null });
      return members;
    }
    if (text[after] !== ",") return null;
    at = skipSpace(text, after + 1);
    members.push({ key, start, valueStart, valueEnd, next: at });
  }
}

/** After the value; null when the text ends before it does, or there is none. */
function skipValue(text: string, from: number): number | null {
  const first = text[from];
  if (first === '"') return skipString(text, from);
  if (first !== "{" && first !== "[") {
    const [scalar = ""] = /^[^\s,:{}[\]"]*/.exec(text.slice(from, from + SCALAR_LENGTH_MAX)) ?? [];
    return scalar === "" ? null : from + scalar.length;
  }
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const end = skipString(text, at);
      if (end === null) return null;
      at = end - 1;
    } else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return null;
}

/** Longer numbers are cut off here, and then the text is no JSON. */
const SCALAR_LENGTH_MAX = 1024;

function skipString(text: string, from: number): number | null {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return null;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text[at] ?? "")) at += 1;
  return at;
}

/** Decodes the source of a string, in which each byte is a character. */
function keyOf(source: string): string | null {
  if (!source.includes("\\")) return source.slice(1, -1);
  try {
    return latin1(String(JSON.parse(Buffer.from(source, "latin1").toString("utf8"))));
  } catch {
    return null;
  }
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
