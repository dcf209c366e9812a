import { randomBytes } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Context } from "hono";
import type { Clock } from "../runtime/clock.ts";
import { RequestDeadline } from "../runtime/request-deadline.ts";
import { isNotBegun, NoDatabaseTurnError } from "../store/db/errors.ts";
import type { Scope } from "../core/scopes.ts";
import type { Answer } from "./http/answer.ts";
import { Authenticator, comesByLink, scopeRefusal } from "./http/auth.ts";
import type { Caller, Client } from "./http/auth.ts";
import {
  addressGroup,
  clientAddress,
  isLocal,
  type RequestSource,
} from "./request/client-address.ts";
import { BodyBudget } from "./request/body-budget.ts";
import { limitRefusal } from "./http/limit-refusal.ts";
import { isList, ListTurns } from "./request/list-turns.ts";
import type { ApiServices } from "./services.ts";
import { problemAnswer, refused } from "./http/problem.ts";
import type { Outcome, Problem, Refusal } from "../core/problem.ts";
import type { Reply, Route } from "./http/route.ts";
import type { RateVerdict } from "./request/request-rates.ts";
import { apiRoutes } from "./routes.ts";
import { problemOfError, tooManyBodies } from "./http/unexpected-error.ts";

/** Limit from a request's arrival to its response; the time for sending its body does not count. */
export const REQUEST_DEADLINE_MS = 5_000;
const OVERRUN_GRACE_MS = 500;
/** Tried in turn to find which methods a path supports. */
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * The HTTP API. Each route is one handler without middleware, which lets Hono answer without
 * composing a chain, and every response leaves through one place.
 *
 * Another app is mounted on this one (`app.route`), never the other way round: below another, this
 * one would lose its responses for unknown paths, and Hono would compose a chain after all.
 */
export function createApp(services: ApiServices): Hono {
  const app = new Hono();
  const answering = new Answering(services);
  for (const route of apiRoutes(services)) {
    const { method, path } = route.description;
    app.on(method, path.replaceAll(/\{(\w+)\}/g, ":$1"), (context) =>
      answering.answer(context, route),
    );
  }
  app.notFound((context) => answering.refuseUnknown(context, () => unknownRoute(app, context)));
  app.onError((error, context) => {
    return answering.refuse(context, problemOfError(error, { mayHaveActed: false }), error);
  });
  return app;
}

/** Progress of a request. */
interface Progress {
  readonly deadline: RequestDeadline;
  /** True when its handler was called. */
  isHandled: boolean;
  /** Header fields for the response, whatever it will be. */
  fields: RateVerdict["fields"];
}

class Answering {
  readonly #services: ApiServices;
  readonly #authenticator: Authenticator;
  readonly #bodies: BodyBudget;
  readonly #lists: ListTurns;
  // Unique enough across restarts and nodes; counting costs less than new randomness each time.
  readonly #idPrefix = randomBytes(5).toString("hex");
  #requests = 0;

  constructor(services: ApiServices) {
    this.#services = services;
    this.#authenticator = new Authenticator(services);
    this.#bodies = new BodyBudget(services.requestBodiesBytesMax, services.limits, services.clock);
    this.#lists = new ListTurns(services.limits, services.clock);
  }

  async answer(context: Context, route: Route): Promise<Response> {
    const { clock } = this.#services;
    const startedAtMs = clock.monotonic();
    const requestId = this.#nextId();
    const { path, answeredWithinMs = REQUEST_DEADLINE_MS } = route.description;
    const deadline = new RequestDeadline(clock, answeredWithinMs);
    const progress: Progress = { deadline, isHandled: false, fields: {} };
    try {
      const reply = await withGrace(this.#reply(context, route, progress), deadline, clock);
      const answer = "problem" in reply ? problemAnswer(reply.problem, requestId) : reply;
      const { fields } = progress;
      return this.#respond({ context, route: path, answer, requestId, startedAtMs, fields });
    } catch (error) {
      const mayHaveActed = mayHaveChanged(context.req.method, progress, error);
      const problem = this.#problemOf(error, mayHaveActed);
      const answer = problemAnswer(problem, requestId);
      const { fields } = progress;
      return this.#respond({ context, route: path, answer, requestId, startedAtMs, fields, error });
    } finally {
      deadline.end();
    }
  }

  #problemOf(error: unknown, mayHaveActed: boolean): Problem {
    if (mayHaveActed || !(error instanceof NoDatabaseTurnError)) {
      return problemOfError(error, { mayHaveActed });
    }
    return limitRefusal(this.#services.limits, {
      projectId: error.group,
      name: "database_calls",
      code: "too_many_requests",
      detail: "Too many requests of the project wait for the database; send fewer of them at once.",
      retryAfterS: 2,
    }).problem;
  }

  /** Refuses a path that does not exist, later to an address that floods. */
  async refuseUnknown(context: Context, problem: () => Problem): Promise<Response> {
    const client = new RequestClient(context, this.#services, this.#authenticator);
    await this.#services.admission.admitOpen(client.address);
    return this.refuse(context, problem());
  }

  refuse(context: Context, problem: Problem, error?: unknown): Response {
    const requestId = this.#nextId();
    const answer = problemAnswer(problem, requestId);
    const startedAtMs = this.#services.clock.monotonic();
    return this.#respond({
      context,
      route: "none",
      answer,
      requestId,
      startedAtMs,
      fields: {},
      error,
    });
  }

  async #reply(context: Context, route: Route, progress: Progress): Promise<Reply> {
    const request = context.req.raw;
    const { deadline } = progress;
    const { scope, isLinked = false, isCostly = false } = route.description;
    const client = new RequestClient(context, this.#services, this.#authenticator);
    if (scope === null) {
      const { admission } = this.#services;
      await admission.admitOpen(client.address);
      // Programs of this machine are the operator's, as for the names in metrics.
      const isLimited = isCostly && !client.isLocal;
      const refusal = isLimited ? await admission.admitCostly(client.address) : null;
      if (refusal !== null) return refusal;
    }
    let caller: Caller | null = null;
    if (scope !== null && !(isLinked && comesByLink(request))) {
      const known = client.authenticate();
      const authenticated: Outcome<Caller> =
        known instanceof Promise ? await deadline.race(known) : known;
      const { admission } = this.#services;
      if (!authenticated.ok) {
        const isFlood = authenticated.problem.code === "too_many_refused_keys";
        return isFlood ? admission.holdBackFrom(client.address, authenticated) : authenticated;
      }
      caller = authenticated.value;
      const admitted = admission.admit(caller.projectId);
      const { fields, refusal: tooMany } = admitted instanceof Promise ? await admitted : admitted;
      progress.fields = fields;
      if (tooMany !== null) return tooMany;
      const refusal = scopeRefusal(caller, scope);
      if (refusal !== null) return refusal;
    }
    const incoming = {
      request,
      caller,
      client,
      deadline,
      database: this.#services.database.within(deadline, callsGroup(caller, client)),
      idText: context.req.param("id"),
      nameText: context.req.param("name"),
      consumerText: context.req.param("consumer"),
      versionText: context.req.param("version"),
    };
    const { body } = route.description;
    if (caller !== null && isList(route)) {
      return this.#lists.answer(caller.projectId, () => {
        progress.isHandled = true;
        return route.answer(incoming);
      });
    }
    if (body !== undefined && caller !== null && this.#bodies.counts(request)) {
      return this.#replyToLarge({ ...incoming, caller }, route, body.bytesMax, progress);
    }
    progress.isHandled = true;
    return route.answer(incoming);
  }

  /** Once there is room for the body, which is read in the project's turn. */
  async #replyToLarge(
    incoming: Parameters<Route["answer"]>[0] & { readonly caller: Caller },
    route: Route,
    bytesMax: number,
    progress: Progress,
  ): Promise<Reply> {
    const { request, caller } = incoming;
    const { limits, admission } = this.#services;
    const leave = await this.#bodies.admit(request, caller.projectId, bytesMax);
    if (leave === null) {
      limits.refused("request_bytes");
      return { ok: false, problem: tooManyBodies() };
    }
    try {
      progress.isHandled = true;
      const beforeReading = () => admission.beginReading(caller.projectId);
      return await route.answer({ ...incoming, beforeReading });
    } finally {
      leave();
    }
  }

  #respond(done: {
    readonly context: Context;
    readonly route: string;
    readonly answer: Answer;
    readonly requestId: string;
    readonly startedAtMs: number;
    readonly fields: RateVerdict["fields"];
    readonly error?: unknown;
  }): Response {
    const { answer, requestId, route } = done;
    const { method } = done.context.req;
    const durationMs = this.#services.clock.monotonic() - done.startedAtMs;
    this.#services.metrics.recordRequest({ route, method, status: answer.status, durationMs });
    const loggedMs = Math.round(durationMs);
    const fields = { method, route, status: answer.status, durationMs: loggedMs, requestId };
    this.#log(fields, done.error);
    return new Response(bodyOf(answer, method), {
      status: answer.status,
      headers: {
        ...answer.headers,
        ...done.fields,
        ...bothLimits(answer.headers, done.fields),
        "x-request-id": requestId,
      },
    });
  }

  #log(fields: { readonly status: number; readonly requestId: string }, error: unknown): void {
    const { log } = this.#services;
    if (fields.status === 500) log.error({ ...fields, err: error }, "request failed");
    else if (error !== undefined)
      log.warn({ ...fields, err: error }, "request could not be served");
    else if (log.isLevelEnabled("debug")) log.debug(fields, "request");
  }

  #nextId(): string {
    this.#requests += 1;
    return `${this.#idPrefix}-${this.#requests.toString(36)}`;
  }
}

/** Who the calls to the database are made for. Who comes by a link belongs to no project yet. */
function callsGroup(caller: Caller | null, client: Client): string {
  return caller?.projectId ?? `address ${addressGroup(client.address)}`;
}

/** The surroundings of a request; empty in tests. */
export interface RequestBindings extends Partial<HttpBindings> {
  /** Hash of the API key that began a console session, in place of the key itself. */
  readonly sessionKeyHash?: string;
  /** The scopes of the session, a subset of the key's; all of them by default. */
  readonly sessionScopes?: readonly Scope[];
}

/** The origin of a request, determined on demand. */
class RequestClient implements Client {
  readonly #context: Context;
  readonly #services: Pick<ApiServices, "isTrustedProxy">;
  readonly #authenticator: Authenticator;

  constructor(
    context: Context,
    services: Pick<ApiServices, "isTrustedProxy">,
    authenticator: Authenticator,
  ) {
    this.#context = context;
    this.#services = services;
    this.#authenticator = authenticator;
  }

  /** By its API key, or by that of its session. */
  authenticate(): Outcome<Caller> | Promise<Outcome<Caller>> {
    const { sessionKeyHash, sessionScopes = null } = this.#bindings;
    if (sessionKeyHash !== undefined) {
      const of = { client: this, scopes: sessionScopes };
      return this.#authenticator.authenticateSession(sessionKeyHash, of);
    }
    const header = this.#context.req.raw.headers.get("authorization");
    return this.#authenticator.authenticate(header, this);
  }

  async recheck(scope: Scope): Promise<Refusal | null> {
    const caller = await this.authenticate();
    return caller.ok ? scopeRefusal(caller.value, scope) : caller;
  }

  get address(): string {
    return clientAddress(this.#source, (address) => this.#services.isTrustedProxy(address));
  }

  get isLocal(): boolean {
    return isLocal(this.#source, this.#context.req.raw.headers);
  }

  get #source(): RequestSource {
    const peer = this.#bindings.incoming?.socket.remoteAddress;
    return { peer, forwardedFor: this.#context.req.raw.headers.get("x-forwarded-for") };
  }

  get #bindings(): RequestBindings {
    // Hono sets none where the caller set none.
    return (this.#context.env as RequestBindings | undefined) ?? {};
  }
}

/**
 * The reply, or a `DeadlinePassedError` a little after the deadline: the part that the request
 * waits for knows best whether it was carried out, and reports it when the deadline passes.
 */
function withGrace(reply: Promise<Reply>, deadline: RequestDeadline, clock: Clock): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  reply.then(resolve, reject);
  deadline.onPassed((passed) => clock.setTimer(OVERRUN_GRACE_MS, () => reject(passed)));
  return promise;
}

/** True when a failed request may have been carried out. */
function mayHaveChanged(method: string, progress: Progress, error: unknown): boolean {
  if (!progress.isHandled || method === "GET" || method === "HEAD") return false;
  return progress.deadline.hasBegunWork || !isNotBegun(error);
}

/** A refusal names the limit that was reached; the state of the request limit comes first. */
function bothLimits(answer: Answer["headers"], ofRequests: RateVerdict["fields"]) {
  const { ratelimit: reached } = answer;
  const { ratelimit: requests } = ofRequests;
  if (reached === undefined || requests === undefined) return null;
  return { ratelimit: `${requests}, ${reached}` };
}

/** For a HEAD, a stream is ended before anything of it is read. */
function bodyOf({ body }: Answer, method: string): string | ReadableStream<Uint8Array> | null {
  if (typeof body !== "function") return body;
  const stream = body();
  if (method !== "HEAD") return stream;
  void stream.cancel();
  return null;
}

/** 405 when another method exists for the path, otherwise 404. */
function unknownRoute(app: Hono, context: Context): Problem {
  const { path, method } = context.req;
  const allowed = METHODS.filter((known) => app.router.match(known, path)[0].length > 0);
  return allowed.length === 0 ? noSuchAddress(path).problem : wrongMethod(method, allowed).problem;
}

function noSuchAddress(path: string): Refusal {
  return refused(
    "route_not_found",
    `There is no route ${path.slice(0, 200)}; /docs lists all of them.`,
  );
}

function wrongMethod(method: string, allowed: readonly string[]): Refusal {
  const allow = (allowed.includes("GET") ? [...allowed, "HEAD"] : allowed).join(", ");
  return refused("method_not_allowed", `${method} is not known here; use one of: ${allow}.`, {
    headers: { allow },
  });
}
