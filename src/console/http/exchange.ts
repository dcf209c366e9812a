import type { Context } from "hono";
import type { RequestBindings } from "../../api/app.ts";
import type { Caller } from "../../api/http/auth.ts";
import { clientAddress } from "../../api/request/client-address.ts";
import { type ConsoleLink, openLink } from "../../api/console-links/link.ts";
import { LimitedApi } from "../links/limited-api.ts";
import { ConsoleCookies } from "./cookies.ts";
import { GatewayApi, retryingReads } from "./gateway-api.ts";
import { Links } from "./links.ts";
import type { ConsoleServices } from "./services.ts";
import type { Session } from "./session.ts";

/** Sent by the console's script, which reads a page again: what of it the reader has. */
const SEEN_HEADER = "console-seen";

/** Somebody whose session and key were checked for this request. */
export interface SignedIn {
  readonly session: Session;
  readonly caller: Caller;
  readonly csrfToken: string;
}

/** One request, and what every answer to it needs. */
export class ConsoleExchange {
  readonly context: Context;
  readonly cookies: ConsoleCookies;
  readonly links: Links;
  /** Null until it is known, and for somebody who is not signed in. */
  signedIn: SignedIn | null = null;
  /** By which the visitor came; null for a text that is none, and for everybody else. */
  readonly link: ConsoleLink | null;
  readonly #services: ConsoleServices;
  readonly #host: string;
  readonly #publicUrl: URL;

  /** @param linkText the link that the address holds; null for an address of those who sign in */
  constructor(context: Context, services: ConsoleServices, linkText: string | null = null) {
    const { req } = context;
    this.context = context;
    this.#services = services;
    this.#host = req.header("host") ?? "";
    this.#publicUrl = new URL(services.publicUrl());
    const isPublic = this.#publicUrl.host === this.#host;
    const isSecure =
      req.header("x-forwarded-proto") === "https" ||
      (isPublic && this.#publicUrl.protocol === "https:");
    this.cookies = new ConsoleCookies(context, { host: this.#host, isSecure });
    this.links = new Links(req.path, { isLink: linkText !== null });
    this.link = linkText === null ? null : openLink(services.secretBox, linkText);
  }

  get client(): { readonly address: string } {
    const source = {
      peer: this.#bindings.incoming?.socket.remoteAddress,
      forwardedFor: this.#forwardedFor,
    };
    return { address: clientAddress(source, (address) => this.#services.isTrustedProxy(address)) };
  }

  /** Only links are ever framed, so that no page acts in a session that somebody else frames. */
  get frameAncestors(): readonly string[] {
    if (this.link === null) return [];
    return this.#services.projects.get(this.link.projectId)?.settings.frame_ancestors ?? [];
  }

  get isFromOwnPage(): boolean {
    return isFromOwnPage(this.context.req.raw.headers, [this.#host, this.#publicUrl.host]);
  }

  /** The version of the page that the reader has; null on the first read. */
  get seen(): string | null {
    return this.context.req.header(SEEN_HEADER) ?? null;
  }

  /** Whether the console's script asks, and not the browser for a whole page. */
  get isByScript(): boolean {
    return this.context.req.header("hx-request") === "true";
  }

  /** The path and the query below the console. */
  get place(): string {
    const { pathname, search } = new URL(this.context.req.url);
    return `${pathname.slice(pathname.indexOf("/console/") + "/console/".length)}${search}`;
  }

  /** The API by the key of a session. */
  api(sessionKeyHash: string): GatewayApi {
    const bindings = { ...this.#bindings, sessionKeyHash };
    const { api: fetch, clock } = this.#services;
    const api = retryingReads(fetch, clock);
    const allowed = this.link === null ? api : new LimitedApi(api, this.link).fetch;
    return new GatewayApi(allowed, bindings, this.#forwardedFor);
  }

  get #forwardedFor(): string | null {
    return this.context.req.header("x-forwarded-for") ?? null;
  }

  get #bindings(): RequestBindings {
    // Hono gives none where the caller gave none.
    return (this.context.env as RequestBindings | undefined) ?? {};
  }
}

/**
 * Whether a request that changes something was sent by a page of this gateway, as far as its browser
 * says: by `Sec-Fetch-Site`, else by `Origin`. One that says neither is judged by its CSRF token alone.
 * @param ownHosts host and port of this gateway, as the request and the settings name it
 */
function isFromOwnPage(headers: Headers, ownHosts: readonly string[]): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = headers.get("origin");
  return origin === null || ownHosts.includes(URL.parse(origin)?.host ?? "");
}
