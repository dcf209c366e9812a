/** Where a text stops being JSON. */
interface JsonSyntaxError {
  /** UTF-16 code units before the offending one. */
  readonly position: number;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The syntax expected at that place, for a person. */
  readonly expected: string;
}

/**
 * Finds the first place where `text` breaks the grammar of JSON (RFC 8259), or null when it is
 * JSON. `JSON.parse` decides; this is for telling a person where to look, which its message often
 * does not. One pass without recursion.
 */
export function locateJsonError(text: string): JsonSyntaxError | null {
  const failure = new Scanner(text).scan();
  if (failure === null) return null;
  const before = text.slice(0, failure.at).split("\n");
  return {
    position: failure.at,
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    expected: failure.expected,
  };
}

interface Failure {
  readonly at: number;
  readonly expected: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const SPACE = /[ \t\n\r]*/y;

class Scanner {
  readonly #text: string;
  /** The open containers, outermost first, by their opening character. */
  readonly #open: ("{" | "[")[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Failure | null {
    for (;;) {
      const failure = this.#value();
      if (failure !== null) return failure;
      const next = this.#afterValue();
      if (next !== "value") return next;
    }
  }

  /** Steps over a scalar or an empty container, or into a container up to its first value. */
  #value(): Failure | null {
    for (;;) {
      const first = this.#next();
      if (first === '"') return this.#string();
      if (first !== "{" && first !== "[") return this.#scalar();
      this.#open.push(first);
      this.#at += 1;
      const inside = this.#next();
      if (inside === (first === "{" ? "}" : "]")) return null;
      if (first === "{") {
        const failure = this.#name(`a property name in double quotes or "}"`);
        if (failure !== null) return failure;
      }
    }
  }

  /** Closes containers until another value follows (`value`), all is read (null), or it fails. */
  #afterValue(): "value" | Failure | null {
    for (;;) {
      const next = this.#next();
      const innermost = this.#open.at(-1);
      if (innermost === undefined) {
        return next === "" ? null : this.#fail("nothing after the first value");
      }
      if (next === (innermost === "{" ? "}" : "]")) {
        this.#open.pop();
        this.#at += 1;
        continue;
      }
      if (next !== ",") return this.#fail(innermost === "{" ? `"," or "}"` : `"," or "]"`);
      this.#at += 1;
      if (innermost === "[") return "value";
      return this.#name("a property name in double quotes") ?? "value";
    }
  }

  #name(expected: string): Failure | null {
    if (this.#next() !== '"') return this.#fail(expected);
    const failure = this.#string();
    if (failure !== null) return failure;
    if (this.#next() !== ":") return this.#fail(`":"`);
    this.#at += 1;
    return null;
  }

  #string(): Failure | null {
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) {
        this.#at += 1;
        return null;
      }
      if (code < 0x20) return this.#fail("no raw control character in a string; escape it");
      if (code !== 0x5c) continue;
      const escape = this.#match(ESCAPE);
      if (escape === 0) return this.#fail(String.raw`an escape such as \n, \" or \u00e9`);
      this.#at += escape - 1;
    }
    return this.#fail("the closing quote of a string");
  }

  #scalar(): Failure | null {
    const length = this.#match(NUMBER) || this.#match(LITERAL);
    this.#at += length;
    return length === 0 ? this.#fail("a value") : null;
  }

  /** Skips white space; the character there, or "" at the end. */
  #next(): string {
    this.#at += this.#match(SPACE);
    return this.#text.charAt(this.#at);
  }

  #match(pattern: RegExp): number {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0].length ?? 0;
  }

  #fail(expected: string): Failure {
    return { at: this.#at, expected };
  }
}

/** True for a complete JSON text. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
