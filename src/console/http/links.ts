const ROOT = "/console/";

/**
 * Addresses of the console, relative to the page that is being answered: a prefix that a proxy puts in
 * front of the gateway need not be known.
 */
export class Links {
  readonly #root: string;
  readonly #shared: string;

  /**
   * @param path of the request
   * @param isLink whether somebody came by a link, and has all pages below it
   */
  constructor(path: string, { isLink = false } = {}) {
    const below = path.slice(path.indexOf(ROOT) + ROOT.length);
    this.#shared = upwards(below);
    this.#root = upwards(isLink ? below.replace(/^links\/[^/]*\//, "") : below);
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

  /** The assets that every page loads. */
  toAsset(path: string): string {
    return `${this.#shared}${path}`;
  }

  /** An address of the gateway outside of the console: `docs`. */
  toGateway(path: string): string {
    return `${this.#shared}../${path}`;
  }
}

/** From a path to where it begins. */
function upwards(path: string): string {
  const depth = path.split("/").length - 1;
  return depth === 0 ? "./" : "../".repeat(depth);
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
