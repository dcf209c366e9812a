import type { Caller } from "../../api/http/auth.ts";
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

/** An address of the console for people who are signed in. */
export interface ConsoleRoute {
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
  show(request: PageRequest): Promise<ConsoleReply>;
}): ConsoleRoute {
  const { path, scope } = spec;
  return { method: "GET", path, scope, answer: (request) => spec.show(request), back: null };
}

/** Changes something: reached by forms of the console only. */
export function defineAction(spec: {
  readonly path: ConsoleRoute["path"];
  readonly scope: Scope;
  /** The page that the form is on, below the console. */
  back(request: PageRequest): string;
  act(request: ActionRequest): Promise<ConsoleReply>;
}): ConsoleRoute {
  const { path, scope } = spec;
  return {
    method: "POST",
    path,
    scope,
    answer: (request) => spec.act(request),
    back: (request) => spec.back(request),
  };
}

/** Whether the session may do more than look. */
export function may({ caller }: Pick<PageRequest, "caller">, scope: Scope): boolean {
  return scopeRefusal(caller, scope) === null;
}

export function redirect(to: string, done?: string): RedirectReply {
  return done === undefined
    ? { kind: "redirect", to }
    : { kind: "redirect", to, notice: { kind: "done", text: done } };
}
