/**
 * Addresses of the console, relative to the page that is being answered: a prefix that a proxy puts in
 * front of the gateway need not be known.
 */
export class Links {
  readonly #root: string;

  /** @param path of the request, from `/console/` on */
  constructor(path: string) {
    const depth = path.slice(path.indexOf("/console/") + "/console/".length).split("/").length - 1;
    this.#root = depth === 0 ? "./" : "../".repeat(depth);
  }

  /**
   * @param path below the console, without a slash before it: `jobs/job_…`
   * @param query parameters; those without a value are left out
   */
  to(path: string, query: Readonly<Record<string, string | null | undefined>> = {}): string {
    const given = Object.entries(query).filter(
      (entry): entry is [string, string] => entry[1] !== null && entry[1] !== undefined,
    );
    const search = new URLSearchParams(given.filter(([, value]) => value !== "")).toString();
    return `${this.#root}${path}${search === "" ? "" : `?${search}`}`;
  }

  /** An address of the gateway outside of the console: `docs`. */
  toGateway(path: string): string {
    return `${this.#root}../${path}`;
  }
}

const CONSOLE_PATH = /^[\w./~%-]*(?:\?[\w./~%=&+:-]*)?$/;
const ANY_ORIGIN = "http://console";

/** A path below the console that a form or a query names, or null for anything that leads elsewhere. */
export function readConsolePath(text: string | null): string | null {
  if (text === null || text.length > 1000 || !CONSOLE_PATH.test(text)) return null;
  const url = URL.parse(text, `${ANY_ORIGIN}/console/`);
  const isInside = url?.origin === ANY_ORIGIN && url.pathname.startsWith("/console/");
  return isInside ? `${url.pathname.slice("/console/".length)}${url.search}` : null;
}
