import type { Caller } from "../../api/http/auth.ts";
import type { ConsoleLink } from "../../api/console-links/link.ts";
import type { Scope } from "../../core/scopes.ts";
import { scopeRefusal } from "../../api/http/auth.ts";
import type { Markup } from "../view/markup.ts";
import type { SectionName } from "../view/sections.ts";
import type { GatewayApi } from "./gateway-api.ts";
import type { Links } from "./links.ts";

/** A sentence at the top of the next page about what was done, or why it was not. */
export interface Notice {
  readonly kind: "done" | "failed";
  readonly text: string;
}

/** The request of a page or an action. Its session has been checked, and holds the scope. */
export interface PageRequest {
  readonly caller: Caller;
  /** The part that a console link shows; null for a signed-in session. */
  readonly link: ConsoleLink | null;
  readonly api: GatewayApi;
  readonly links: Links;
  readonly query: URLSearchParams;
  /** The path's `:id` or `:name` as one segment of a path, percent-encoded; empty without one. */
  readonly id: string;
  /** Goes into each form that changes something. */
  readonly csrfToken: string;
  /** The address at which others reach this gateway, for commands to copy; no slash at the end. */
  readonly publicUrl: string;
  readonly nowMs: number;
}

export interface ActionRequest extends PageRequest {
  readonly form: URLSearchParams;
}

export interface PageReply {
  readonly kind: "page";
  readonly title: string;
  readonly section: SectionName | null;
  readonly body: Markup;
  /** Read again every few seconds while somebody looks at it. */
  readonly isLive?: boolean;
  readonly status?: number;
}

export interface RedirectReply {
  readonly kind: "redirect";
  /** Below the console. */
  readonly to: string;
  readonly notice?: Notice;
}

/** An answer of the API that is passed on: a download. */
export interface DownloadReply {
  readonly kind: "download";
  readonly response: Response;
  readonly fileName: string;
}

export type ConsoleReply = PageReply | RedirectReply | DownloadReply;

/** In which links to the console a page is: in all, in those to the whole project, or in none. */
type LinkReach = "all" | "project" | "none";

/** An address of the console for people who are signed in. */
export interface ConsoleRoute {
  readonly inLinks: LinkReach;
  readonly method: "GET" | "POST";
  /** Below `/console`, as Hono spells it: `/jobs/:id`. */
  readonly path: `/${string}`;
  readonly scope: Scope;
  answer(request: ActionRequest): Promise<ConsoleReply>;
  /** Where a problem with the action is shown; null to show it on a page of its own. */
  readonly back: ((request: PageRequest) => string) | null;
}

export function definePage(spec: {
  readonly path: ConsoleRoute["path"];
  readonly scope: Scope;
  /** None unless given. */
  readonly inLinks?: LinkReach;
  readonly show: (request: PageRequest) => Promise<ConsoleReply>;
}): ConsoleRoute {
  const { path, scope, inLinks = "none", show } = spec;
  return { method: "GET", path, scope, inLinks, answer: show, back: null };
}

/** Changes something: reached by forms of the console only. */
export function defineAction(spec: {
  readonly path: ConsoleRoute["path"];
  readonly scope: Scope;
  /** None unless given, and only in links by which callbacks may be sent again. */
  readonly inLinks?: LinkReach;
  /** The page that the form is on, below the console. */
  readonly back: (request: PageRequest) => string;
  readonly act: (request: ActionRequest) => Promise<ConsoleReply>;
}): ConsoleRoute {
  const { path, scope, inLinks = "none", back, act } = spec;
  return { method: "POST", path, scope, inLinks, answer: act, back };
}

/** Whether the session may do more than look. */
export function may({ caller }: Pick<PageRequest, "caller">, scope: Scope): boolean {
  return scopeRefusal(caller, scope) === null;
}

/** Whether callbacks may be sent again. */
export function mayRedeliver(request: Pick<PageRequest, "caller" | "link">): boolean {
  const { link } = request;
  return link === null ? may(request, "subscriptions:write") : link.mayRedeliver;
}

/** Whether it is shown to somebody outside of the team, who can mend nothing at the upstream. */
export function isForOutsiders({ link }: Pick<PageRequest, "link">): boolean {
  return link !== null && link.limit.kind !== "project";
}

export function redirect(to: string, done?: string): RedirectReply {
  return done === undefined
    ? { kind: "redirect", to }
    : { kind: "redirect", to, notice: { kind: "done", text: done } };
}
