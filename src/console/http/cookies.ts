import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { THEMES, type Theme } from "../view/shell.ts";

const SESSION = "ringback_console";
const NOTICE = "ringback_notice";
const THEME = "ringback_theme";
const NOTICE_SECONDS = 60;

/**
 * The cookies of the console. They go to the whole host, since a proxy may put the gateway below any
 * path; over https their names bind them to it (`__Host-`), and a port in the name keeps gateways on
 * one machine apart.
 */
export class ConsoleCookies {
  readonly #context: Context;
  readonly #isSecure: boolean;
  readonly #suffix: string;

  /** @param host of the request, with its port if it names one */
  constructor(
    context: Context,
    { host, isSecure }: { readonly host: string; readonly isSecure: boolean },
  ) {
    this.#context = context;
    this.#isSecure = isSecure;
    const [, port = ""] = /:(\d+)$/.exec(host) ?? [];
    this.#suffix = port === "" ? "" : `_${port}`;
  }

  get session(): string | null {
    return this.#read(SESSION);
  }

  set session(sealed: string | null) {
    this.#write(SESSION, sealed);
  }

  /** Sealed; good for one page. */
  get notice(): string | null {
    return this.#read(NOTICE);
  }

  set notice(sealed: string | null) {
    this.#write(NOTICE, sealed, NOTICE_SECONDS);
  }

  /** Written by the console's script. */
  get theme(): Theme | null {
    const chosen = getCookie(this.#context, THEME);
    return THEMES.find((theme) => theme === chosen) ?? null;
  }

  #read(name: string): string | null {
    return getCookie(this.#context, this.#nameOf(name)) ?? null;
  }

  #write(name: string, value: string | null, maxAge?: number): void {
    const options = {
      path: "/",
      httpOnly: true,
      secure: this.#isSecure,
      sameSite: "Strict",
      ...(maxAge !== undefined && { maxAge }),
    } as const;
    if (value === null) deleteCookie(this.#context, this.#nameOf(name), options);
    else setCookie(this.#context, this.#nameOf(name), value, options);
  }

  #nameOf(name: string): string {
    return `${this.#isSecure ? "__Host-" : ""}${name}${this.#suffix}`;
  }
}
