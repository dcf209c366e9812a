import type { Context } from "hono";
import { html } from "hono/html";
import { Authenticator, scopeRefusal } from "../../api/http/auth.ts";
import type { ConsoleLink } from "../../api/console-links/link.ts";
import type { Problem } from "../../core/problem.ts";
import { problemOfError } from "../../api/http/unexpected-error.ts";
import { PROBLEMS } from "../../core/error-codes.ts";
import { hashApiKey } from "../../runtime/secrets/api-key.ts";
import { isConsoleLinkRevoked } from "../../store/projects/console-links.ts";
import type { Assets } from "../assets.ts";
import { signInView } from "../sign-in.ts";
import { CSRF_FIELD } from "../view/forms.ts";
import { ConsoleExchange, type SignedIn } from "./exchange.ts";
import { ApiProblem, type ProblemBody } from "./gateway-api.ts";
import { readConsolePath } from "./links.ts";
import type { ActionRequest, ConsoleReply, ConsoleRoute, RedirectReply } from "./page.ts";
import type { ConsoleServices } from "./services.ts";
import { Renderer } from "./renderer.ts";
import { type Session, Sessions } from "./session.ts";
import type { Markup } from "../view/markup.ts";

/** Answers every request of the console: who is signed in, what they may do, and the page about it. */
export class Responder {
  readonly #services: ConsoleServices;
  readonly #renderer: Renderer;
  readonly #sessions: Sessions;
  readonly #authenticator: Authenticator;

  constructor(services: ConsoleServices, assets: Assets) {
    this.#services = services;
    this.#renderer = new Renderer(services, assets);
    this.#sessions = new Sessions(services);
    this.#authenticator = new Authenticator(services);
  }

  /** A page or an action, for somebody who is signed in and may see or do it. */
  answer(context: Context, route: ConsoleRoute): Promise<Response> {
    return this.#respond(context, { isLink: false }, async (exchange) => {
      const signedIn = await this.#signedIn(exchange);
      if (signedIn === null) return signInFirst(exchange);
      const refusal = scopeRefusal(signedIn.caller, route.scope);
      if (refusal !== null) return problemReply(pageProblem(refusal.problem));
      const form = route.method === "POST" ? await this.#form(exchange, signedIn) : NO_FORM;
      if (!(form instanceof URLSearchParams)) return problemReply(form);
      this.#renew(exchange, signedIn.session);
      const request = this.#request(exchange, signedIn, form);
      return answerOrExplain(route, request);
    });
  }

  /**
   * The same for a visitor with a link, which is in the address. Pages outside the link's scope don't
   * exist for them.
   */
  answerLink(context: Context, route: ConsoleRoute | null): Promise<Response> {
    return this.#respond(context, { isLink: true }, async (exchange) => {
      const { link } = exchange;
      if (link === null) return problemReply(NO_LINK);
      const signedIn = await this.#admitted(exchange, link);
      if (signedIn === null) {
        // The script reads the whole page again, and shows this in its place.
        if (exchange.isByScript) context.header("hx-refresh", "true");
        return problemReply(LINK_OVER);
      }
      if (route === null || !isShownBy(link, route)) return problemReply(NO_PAGE);
      const form = route.method === "POST" ? await this.#form(exchange, signedIn) : NO_FORM;
      if (!(form instanceof URLSearchParams)) return problemReply(form);
      return answerOrExplain(route, this.#request(exchange, signedIn, form));
    });
  }

  signInForm(context: Context): Promise<Response> {
    return this.#respond(context, { isLink: false }, async ({ links, place }) => {
      const next = readConsolePath(new URLSearchParams(place.split("?")[1]).get("next")) ?? "";
      return signInReply(signInView(links, { next, problem: null }), 200);
    });
  }

  signIn(context: Context): Promise<Response> {
    return this.#respond(context, { isLink: false }, async (exchange) => {
      if (!exchange.isFromOwnPage) return problemReply(FOREIGN_PAGE);
      const form = await readForm(context.req.raw);
      const next = readConsolePath(form?.get("next") ?? null) ?? "";
      const key = (form?.get("key") ?? "").trim();
      const outcome = await this.#authenticator.authenticateKey(key, exchange.client);
      if (outcome.ok) return this.#begin(exchange, hashApiKey(key), next);
      const { code, detail: problem } = outcome.problem;
      const view = signInView(exchange.links, { next, problem });
      return signInReply(view, PROBLEMS[code].status);
    });
  }

  /** @param keyHash what the link signs in with; null for one that is not good, or not any more */
  signInOnce(context: Context, keyHash: string | null): Promise<Response> {
    return this.#respond(context, { isLink: false }, async (exchange) => {
      if (keyHash !== null) return this.#begin(exchange, keyHash, "");
      const view = signInView(exchange.links, { next: "", problem: LINK_USED });
      return signInReply(view, 403);
    });
  }

  signOut(context: Context): Promise<Response> {
    return this.#respond(context, { isLink: false }, async (exchange) => {
      const session = this.#session(exchange);
      if (session !== null) {
        const form = await readForm(context.req.raw);
        if (!this.#isOwnForm(exchange, session, form)) return problemReply(FOREIGN_PAGE);
        this.#sessions.signOut(session);
      }
      exchange.cookies.session = null;
      return { kind: "redirect", to: "sign-in" };
    });
  }

  notFound(context: Context): Promise<Response> {
    return this.#respond(context, { isLink: false }, async (exchange) =>
      (await this.#signedIn(exchange)) === null ? signInFirst(exchange) : problemReply(NO_PAGE),
    );
  }

  async #respond(
    context: Context,
    { isLink }: { readonly isLink: boolean },
    decide: (exchange: ConsoleExchange) => Promise<ConsoleReply>,
  ): Promise<Response> {
    const linkText = isLink ? (context.req.param("link") ?? "") : null;
    const exchange = new ConsoleExchange(context, this.#services, linkText);
    try {
      const reply = await decide(exchange);
      if (exchange.signedIn === null) {
        await this.#services.admission.admitOpen(exchange.client.address);
      }
      return await this.#renderer.render(exchange, reply);
    } catch (error) {
      const problem = this.#problemOf(error);
      return this.#renderer.render(exchange, problemReply(problem));
    }
  }

  #problemOf(error: unknown): PageProblem {
    if (error instanceof ApiProblem) return error.body;
    const problem = problemOfError(error, { mayHaveActed: true });
    const { log } = this.#services;
    if (problem.code === "internal_error")
      log.error({ err: error }, "a page of the console failed");
    else log.warn({ err: error }, "a page of the console could not be served");
    return pageProblem(problem);
  }

  #session({ cookies }: ConsoleExchange): Session | null {
    const sealed = cookies.session;
    return sealed === null ? null : this.#sessions.open(sealed);
  }

  /** By the key that the session was begun with, as the API would judge it now. */
  async #signedIn(exchange: ConsoleExchange): Promise<SignedIn | null> {
    const session = this.#session(exchange);
    if (session === null) return null;
    const outcome = await this.#authenticator.authenticateHash(session.keyHash, exchange.client);
    if (outcome.ok) {
      const csrfToken = this.#sessions.csrfToken(session);
      exchange.signedIn = { session, caller: outcome.value, csrfToken };
      return exchange.signedIn;
    }
    if (outcome.problem.code !== "unauthorized") throw new ApiProblem(pageProblem(outcome.problem));
    exchange.cookies.session = null;
    return null;
  }

  /** Null when the link is over: by its time, by its key, or revoked, alone or with all others. */
  async #admitted(exchange: ConsoleExchange, link: ConsoleLink): Promise<SignedIn | null> {
    const { id, projectId, keyHash, createdAtMs, expiresAtMs } = link;
    const nowMs = this.#services.clock.now();
    const fromMs = this.#services.projects.get(projectId)?.settings.console_links_from_ms ?? 0;
    if (nowMs >= expiresAtMs || createdAtMs < fromMs) return null;
    const database = this.#services.database.within(undefined, projectId);
    if (await isConsoleLinkRevoked(database, id)) return null;
    const of = { client: exchange.client, scopes: LINK_SCOPES };
    const outcome = await this.#authenticator.authenticateSession(keyHash, of);
    if (outcome.ok) {
      const session = { id, keyHash, startedAtMs: createdAtMs, usedAtMs: nowMs };
      const csrfToken = this.#sessions.csrfToken(session);
      exchange.signedIn = { session, caller: outcome.value, csrfToken };
      return exchange.signedIn;
    }
    if (outcome.problem.code !== "unauthorized") throw new ApiProblem(pageProblem(outcome.problem));
    return null;
  }

  #begin(exchange: ConsoleExchange, keyHash: string, next: string): RedirectReply {
    exchange.cookies.session = this.#sessions.seal(this.#sessions.begin(keyHash));
    return { kind: "redirect", to: next };
  }

  /** The form that came along, or why it is not taken. */
  async #form(
    exchange: ConsoleExchange,
    { session }: SignedIn,
  ): Promise<URLSearchParams | PageProblem> {
    const form = await readForm(exchange.context.req.raw);
    if (form === null) return WRONG_FORM;
    return this.#isOwnForm(exchange, session, form) ? form : FOREIGN_PAGE;
  }

  #isOwnForm(exchange: ConsoleExchange, session: Session, form: URLSearchParams | null): boolean {
    if (!exchange.isFromOwnPage) return false;
    return this.#sessions.isCsrfToken(session, form?.get(CSRF_FIELD) ?? "");
  }

  /** A page that is read again by itself does not prolong the session. */
  #renew({ cookies, seen }: ConsoleExchange, session: Session): void {
    const renewed = seen === null ? this.#sessions.renewed(session) : null;
    if (renewed !== null) cookies.session = this.#sessions.seal(renewed);
  }

  #request(
    exchange: ConsoleExchange,
    { session, caller, csrfToken }: SignedIn,
    form: URLSearchParams,
  ): ActionRequest {
    const { context, links } = exchange;
    const { id = "", name = "" } = context.req.param() as { id?: string; name?: string };
    return {
      caller,
      link: exchange.link,
      api: exchange.api(session.keyHash),
      links,
      query: new URL(context.req.url).searchParams,
      id: encodeURIComponent(id === "" ? name : id),
      csrfToken,
      publicUrl: this.#services.publicUrl(),
      nowMs: this.#services.clock.now(),
      form,
    };
  }
}

const LINK_SCOPES = ["subscriptions:read"] as const;

function isShownBy({ limit, mayRedeliver }: ConsoleLink, route: ConsoleRoute): boolean {
  if (route.method === "POST" && !mayRedeliver) return false;
  return route.inLinks === "all" || (route.inLinks === "project" && limit.kind === "project");
}

const NO_FORM = new URLSearchParams();

/** A problem with an action is shown on the page where it was requested. */
async function answerOrExplain(route: ConsoleRoute, request: ActionRequest): Promise<ConsoleReply> {
  try {
    return await route.answer(request);
  } catch (error) {
    if (!(error instanceof ApiProblem) || route.back === null) throw error;
    const notice = { kind: "failed", text: error.body.detail } as const;
    return { kind: "redirect", to: route.back(request), notice };
  }
}

/** Somebody who was looking at a page comes back to it. */
function signInFirst({ context, links, place, isByScript }: ConsoleExchange): ConsoleReply {
  // The script reads the whole page again, and is led to the form then.
  if (isByScript) context.header("hx-refresh", "true");
  const next = context.req.method === "GET" ? readConsolePath(place) : null;
  if (isByScript) return signInReply(signInView(links, { next: next ?? "", problem: null }), 401);
  const query = next === null || next === "" ? "" : `?${new URLSearchParams({ next }).toString()}`;
  return { kind: "redirect", to: `sign-in${query}` };
}

function signInReply(body: ReturnType<typeof signInView>, status: number): ConsoleReply {
  return { kind: "page", title: "Sign in", section: null, body, status };
}

function problemReply(problem: PageProblem): ConsoleReply {
  const { title, status } = problem;
  return { kind: "page", title, section: null, body: problemView(problem), status };
}

function pageProblem({ code, detail }: Problem): ProblemBody {
  const { title, status } = PROBLEMS[code];
  return { code, title, status, detail };
}

const NO_LINK: PageProblem = {
  title: "No such link",
  status: 404,
  detail: "The address is incomplete, or belongs to another gateway. Use the link unchanged.",
};
const LINK_OVER: PageProblem = {
  title: "This link has expired",
  status: 403,
  detail: "Links expire, and can be revoked. Ask for a new one.",
};
const LINK_USED =
  "This link was used, or is too old: each signs in once, within 15 minutes of the start. Sign in with an API key.";
const FOREIGN_PAGE: PageProblem = {
  title: "Not sent from this page",
  status: 403,
  detail:
    "The request did not come from a form of your session. Go back, reload the page and try again.",
};
const WRONG_FORM: PageProblem = {
  title: "Invalid form",
  status: 400,
  detail: "The request body is not a form of the console, or is larger than 512 KiB.",
};
const NO_PAGE: PageProblem = {
  title: "No such page",
  status: 404,
  detail: "The console has no page at this address.",
};

const FORM_BYTES_MAX = 512 * 1024;

/** The fields of a form that was sent; null when it is none, or too large. */
async function readForm(request: Request): Promise<URLSearchParams | null> {
  const [type = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== "application/x-www-form-urlencoded") return null;
  if (Number(request.headers.get("content-length") ?? 0) > FORM_BYTES_MAX) return null;
  if (request.body === null) return new URLSearchParams();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > FORM_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

/** Tells a person the problem and the remedy. */
interface PageProblem {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The API's name for it. */
  readonly code?: string;
}

function problemView({ title, status, detail, code }: PageProblem): Markup {
  return html`<div class="empty">
    <h1>${title}</h1>
    <p>${detail}</p>
    <p class="quiet">${status}${code === undefined ? "" : ` · ${code}`}</p>
  </div>`;
}
