import { hash, randomBytes } from "node:crypto";
import type { Assets } from "../assets.ts";
import { shell } from "../view/shell.ts";
import type { Exchange } from "./exchange.ts";
import { openNotice, sealNotice } from "./notices.ts";
import type { ConsoleReply, DownloadReply, Notice, PageReply } from "./page.ts";
import { pageHeaders } from "./page-headers.ts";
import type { ConsolePorts } from "./ports.ts";

const NONCE_BYTES = 16;
const SEEN_DIGITS = 16;

/** Turns replies into responses. */
export class Renderer {
  readonly #ports: ConsolePorts;
  readonly #assets: Assets;

  constructor(ports: ConsolePorts, assets: Assets) {
    this.#ports = ports;
    this.#assets = assets;
  }

  async render(exchange: Exchange, reply: ConsoleReply): Promise<Response> {
    switch (reply.kind) {
      case "page":
        return this.#page(exchange, reply);
      case "redirect":
        if (reply.notice !== undefined) {
          exchange.cookies.notice = sealNotice(this.#ports.secretBox, reply.notice);
        }
        return exchange.context.redirect(exchange.links.to(reply.to), 303);
      case "download":
        return download(exchange, reply);
    }
  }

  /** One that has not changed since the reader got it is answered with 204. */
  async #page(exchange: Exchange, reply: PageReply): Promise<Response> {
    const { context, links, cookies, signedIn } = exchange;
    const { title, section, isLive = false, status = 200 } = reply;
    const body = await reply.body;
    const seen = hash("sha256", `${title}\n${body.toString()}`, "hex").slice(0, SEEN_DIGITS);
    const nonce = randomBytes(NONCE_BYTES).toString("base64");
    for (const [name, value] of Object.entries(pageHeaders(nonce))) context.header(name, value);
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
      version: this.#ports.version,
      assetPath: (name) => this.#assets.pathOf(name),
      signedIn,
      hasSandbox: this.#ports.sandbox !== null,
    });
    context.status(status as 200);
    return context.body(page.toString());
  }

  /** A live update leaves the notice for the page that it is meant for. */
  #takeNotice({ cookies, seen }: Exchange): Notice | null {
    const sealed = cookies.notice;
    if (sealed === null || seen !== null) return null;
    cookies.notice = null;
    return openNotice(this.#ports.secretBox, sealed);
  }
}

/** Saved, never shown: it comes from elsewhere, and would be a page of this origin. */
function download({ context }: Exchange, { response, fileName }: DownloadReply): Response {
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
