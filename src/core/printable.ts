const CONTROL_OR_LONE_SURROGATE = /[\p{Cc}\p{Cs}]/u;
const CONTROL = /\p{Cc}/u;
// Besides the ordinary blank: other white space, controls, and characters without a width.
const UNSEEN = /(?! )[\p{Z}\p{C}]/gu;

/** True when a text has neither control characters nor halves of surrogate pairs. */
export function isPrintable(text: string): boolean {
  return !CONTROL_OR_LONE_SURROGATE.test(text);
}

export function hasControlCharacter(text: string): boolean {
  return CONTROL.test(text);
}

/** A text in quotes, with an escape for each character that cannot be seen. */
export function quoteVisibly(text: string): string {
  return JSON.stringify(text).replaceAll(UNSEEN, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      const code = character.charCodeAt(at).toString(16);
      return `\\u${code.padStart(4, "0")}`;
    }).join(""),
  );
}
