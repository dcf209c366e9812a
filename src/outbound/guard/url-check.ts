import type { Warning } from "../../core/error-codes.ts";
import { destinationOf } from "./destination.ts";
import type { Destination } from "./destination.ts";

/** Whether a URL may be used; the reason tells a person what to change. */
export type UrlCheck =
  | { readonly ok: true; readonly url: URL; readonly warnings?: readonly Warning[] }
  | { readonly ok: false; readonly reason: string };

/** A URL with an unambiguous spelling, not yet judged by its destination. */
type UrlSyntax =
  | { readonly ok: true; readonly url: URL; readonly destination: Destination }
  | { readonly ok: false; readonly reason: string };

const URL_CHARACTERS_MAX = 2048;
// The URL parser drops tabs and line breaks and trims; other parsers don't.
const BLANK_OR_CONTROL = /[\s\p{Cc}]/u;
const HTTP_FORM = /^https?:\/\/[^/]/i;
const AUTHORITY = /^[^/?#]*\/\/([^/?#]*)/;

/** Parses once; refuses everything that two parsers could read differently. */
export function checkUrlSyntax(text: string): UrlSyntax {
  const misspelling = findMisspelling(text);
  if (misspelling !== null) return refused(misspelling);
  const url = URL.parse(text);
  if (url === null) return refused(notUrl);
  const destination = destinationOf(url);
  if (destination === null) return refused(`use https, not ${url.protocol.slice(0, -1)}`);
  if (!HTTP_FORM.test(text)) return refused(notUrl);
  if (!isWholeName(destination.host))
    return refused("the host name has an empty part; check its dots");
  if (url.hostname.endsWith(".")) url.hostname = url.hostname.slice(0, -1);
  if (url.href.length > URL_CHARACTERS_MAX) return refused(tooLong);
  return { ok: true, url, destination };
}

const notUrl = "not a URL; it must look like https://host/path";
const tooLong = `use at most ${URL_CHARACTERS_MAX} characters`;

function findMisspelling(text: string): string | null {
  if (text.length > URL_CHARACTERS_MAX) return tooLong;
  if (BLANK_OR_CONTROL.test(text)) return "remove spaces, tabs, line breaks and control characters";
  if (text.includes("\\")) return "use / instead of \\";
  if (text.includes("#")) return "remove the fragment (from # on); it is never sent";
  if (AUTHORITY.exec(text)?.[1]?.includes("@") === true) {
    return "remove the user name and password before the host";
  }
  return null;
}

function isWholeName(host: string): boolean {
  return host !== "" && !host.split(".").includes("");
}

function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
