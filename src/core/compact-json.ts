const STRING_OR_BLANKS = /"(?:[^"\\]|\\.)*"|[ \t\n\r]+/g;

/** JSON text without the blanks between its tokens; strings and the digits of numbers stay. */
export function compactJson(text: string): string {
  return text.replace(STRING_OR_BLANKS, (match) => (match.startsWith('"') ? match : ""));
}
