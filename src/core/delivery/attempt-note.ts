const LOCATION_CHARACTERS_MAX = 500;
const NOT_PRINTABLE_ASCII = /[^\x20-\x7e]/g;

/**
 * Where a redirecting receiver points, for the person who has to change the callback URL. Without
 * the query, where keys and signatures travel.
 * @param location the header of that name
 */
export function redirectNote(location: string): string {
  const [target = "", query] = location.split("?", 2);
  const shown = target
    .slice(0, LOCATION_CHARACTERS_MAX)
    .replaceAll(NOT_PRINTABLE_ASCII, "\u{fffd}");
  const cut = target.length > LOCATION_CHARACTERS_MAX || query !== undefined ? "…" : "";
  return `The receiver redirects to ${shown}${cut}. Redirects are never followed: change the callback URL.`;
}

/** Explains a 413: the size of the body that was sent, and the next step. */
export function tooLargeNote(bodyBytes: number, holdsResult: boolean): string {
  return holdsResult
    ? `The receiver refused a body of ${bodyBytes} bytes as too large. The next attempt carries result_url instead of the result.`
    : `The receiver refused a body of ${bodyBytes} bytes, which holds no result, as too large.`;
}
