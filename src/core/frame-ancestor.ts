/** Origins that a project may list. */
export const FRAME_ANCESTORS_MAX = 20;

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Whether a text is an origin that may frame pages: it goes into a `Content-Security-Policy` as it is, so
 * only the spelling that browsers give an origin is taken. Plain http is for development on one machine.
 */
export function isFrameAncestor(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.origin !== text) return false;
  // A policy is cut at these; a host name may hold some of them.
  if (/[\s;,'"*]/.test(text)) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname));
}
