import { hash, randomBytes } from "node:crypto";
import type { Assets } from "../assets.ts";
import { shell } from "../view/shell.ts";
import type { ConsoleExchange } from "./exchange.ts";
import type { ConsoleReply, DownloadReply, Notice, PageReply, RedirectReply } from "./page.ts";
import type { ConsoleServices } from "./services.ts";
import { type SecretBox, SecretBoxError } from "../../runtime/secrets/secret-box.ts";

const NOTICE_PARAMETER = "notice";
const NONCE_BYTES = 16;
const SEEN_DIGITS = 16;

/** Turns replies into responses. */
export class Renderer {
  readonly #services: ConsoleServices;
  readonly #assets: Assets;

  constructor(services: ConsoleServices, assets: Assets) {
    this.#services = services;
    this.#assets = assets;
  }

  async render(exchange: ConsoleExchange, reply: ConsoleReply): Promise<Response> {
    switch (reply.kind) {
      case "page":
        return this.#page(exchange, reply);
      case "redirect":
        return exchange.context.redirect(this.#addressOf(exchange, reply), 303);
      case "download":
        return download(exchange, reply);
    }
  }

  /** A notice for the next page is in a cookie, or in the address of somebody who may have none. */
  #addressOf({ link, links, cookies }: ConsoleExchange, { to, notice }: RedirectReply): string {
    if (notice === undefined) return links.to(to);
    const sealed = sealNotice(this.#services.secretBox, notice);
    if (link !== null) return links.to(to, { [NOTICE_PARAMETER]: sealed });
    cookies.notice = sealed;
    return links.to(to);
  }

  /** One that has not changed since the reader got it is answered with 204. */
  async #page(exchange: ConsoleExchange, reply: PageReply): Promise<Response> {
    const { context, links, cookies, signedIn } = exchange;
    const { title, section, isLive = false, status = 200 } = reply;
    const body = await reply.body;
    const seen = hash("sha256", `${title}\n${body.toString()}`, "hex").slice(0, SEEN_DIGITS);
    const nonce = randomBytes(NONCE_BYTES).toString("base64");
    for (const [name, value] of Object.entries(pageHeaders(nonce, exchange.frameAncestors)))
      context.header(name, value);
    if (seen === exchange.seen) return context.body(null, 204);
    const page = await shell({
      title,
      section,
      body,
      seen,
      isLive,
      notice: this.#takeNotice(exchange),
      links,
      nonce,
      theme: cookies.theme,
      version: this.#services.version,
      assetPath: (name) => this.#assets.pathOf(name),
      signedIn,
      link: exchange.link,
      hasSandbox: this.#services.sandbox !== null,
    });
    context.status(status as 200);
    return context.body(page.toString());
  }

  /** A live update leaves the notice for the page that it is meant for. */
  #takeNotice({ context, cookies, link, seen }: ConsoleExchange): Notice | null {
    const sealed = link === null ? cookies.notice : (context.req.query(NOTICE_PARAMETER) ?? null);
    if (sealed === null || seen !== null) return null;
    if (link === null) cookies.notice = null;
    return openNotice(this.#services.secretBox, sealed);
  }
}

/** Saved, never shown: it comes from elsewhere, and would be a page of this origin. */
function download({ context }: ConsoleExchange, { response, fileName }: DownloadReply): Response {
  const { headers } = response;
  context.header("content-type", "application/octet-stream");
  context.header("content-disposition", `attachment; filename="${fileName}"`);
  context.header("cache-control", "no-store");
  context.header("content-security-policy", "default-src 'none'; sandbox");
  for (const name of ["content-length", "content-encoding"]) {
    const value = headers.get(name);
    if (value !== null) context.header(name, value);
  }
  return response.body === null ? context.body(null) : context.body(response.body);
}

const PLACE = { column: "console.notice", id: "" } as const;
/** A cookie holds some 4 KiB. */
const TEXT_CHARACTERS_MAX = 600;

/** Sealed, so that no text but the console's own is shown as its own. */
function sealNotice(secretBox: SecretBox, { kind, text }: Notice): string {
  return secretBox.seal(JSON.stringify([kind, text.slice(0, TEXT_CHARACTERS_MAX)]), PLACE);
}

/** Null for a text that this gateway did not seal. */
function openNotice(secretBox: SecretBox, sealed: string): Notice | null {
  try {
    const [kind, text] = JSON.parse(secretBox.open(sealed, PLACE)) as [Notice["kind"], string];
    return { kind, text };
  } catch (error) {
    if (error instanceof SecretBoxError) return null;
    throw error;
  }
}

/**
 * The headers of a page of the console, which loads its own style and script and nothing else.
 * @param frameAncestors origins of the pages that may show it in a frame
 */
function pageHeaders(nonce: string, frameAncestors: readonly string[]): Record<string, string> {
  const isFramed = frameAncestors.length > 0;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    `frame-ancestors ${isFramed ? frameAncestors.join(" ") : "'none'"}`,
  ].join("; ");
  return {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
    // A page that isolates itself may frame only what says so.
    "cross-origin-resource-policy": isFramed ? "cross-origin" : "same-origin",
    // Not `no-referrer`: browsers would send forms with `Origin: null`.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    // It knows no list; browsers that know `frame-ancestors` ignore it anyway.
    ...(!isFramed && { "x-frame-options": "DENY" }),
  };
}
