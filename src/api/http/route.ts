import { z } from "@hono/zod-openapi";
import type { ProblemCode } from "../../core/error-codes.ts";
import { isPrintable } from "../../core/printable.ts";
import { ID_PREFIXES, parsePublicId } from "../../core/ids/ids.ts";
import type { IdKind } from "../../core/ids/ids.ts";
import type { RequestDeadline } from "../../runtime/request-deadline.ts";
import type { Database } from "../../store/db/database.ts";
import type { Scope } from "../../core/scopes.ts";
import type { Answer } from "./answer.ts";
import type { Caller, Client } from "./auth.ts";
import { invalidBodyParts, invalidQueryParts, problemOfParts, refused } from "./problem.ts";
import type { InvalidPart, Outcome, Refusal } from "../../core/problem.ts";
import { readJsonBody } from "../request/request-body.ts";

/** The groups of the documentation, in its order. Each operation belongs to one. */
export const TAGS = {
  Subscriptions: "Ask to be called back when a job ends.",
  Jobs: "Watched jobs, their state, and why a callback has not arrived.",
  Deliveries: "The callbacks of subscriptions, with each attempt to send them.",
  Inboxes: "Messages that clients pull, when callbacks can't reach them.",
  Redeliveries: "Send many deliveries again, in the background.",
  "Callback origins": "The hosts that callbacks go to, and whether they respond.",
  Callbacks: "Try a callback URL before anything depends on it.",
  "Submit through": "Requests that are passed on to an upstream, and the jobs that they start.",
  Events: "Changes of jobs, and their results.",
  Connections: "Credentials and limits for the APIs whose jobs are watched.",
  Providers: "How the jobs of an API are polled and its responses interpreted.",
  Project: "The settings and limits of the API key's project.",
  "Signing secrets": "The secrets that sign callbacks with HMAC-SHA256 (`v1`).",
  "Signing keys": "The key pairs that sign callbacks with Ed25519 (`v1a`).",
  "API keys": "Who may use this API, and for what.",
  "Audit log": "Who changed keys, secrets, connections, providers and settings.",
  "Console links": "Show a part of the console to somebody without an API key.",
  System: "The state of the gateway, for its operator's machines.",
  Documentation: "This API, described for people and for programs.",
} as const satisfies Readonly<Record<string, string>>;

type TagName = keyof typeof TAGS;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Either a response or what was wrong with the request. */
export type Reply = Answer | Refusal;

/** The limits of a handler's work. */
export interface RequestScope {
  /** The deadline of the whole request. */
  readonly deadline: RequestDeadline;
  /** Within the deadline; refuses at once while the database is known to be down. */
  readonly database: Database;
}

/** A handler's input: everything validated, nothing parsed twice. */
export interface RouteRequest<Query, Body> extends RequestScope {
  readonly caller: Caller;
  readonly client: Client;
  /** The UUID behind the path's `{id}`; empty for a path without one. */
  readonly id: string;
  /** The path's `{name}`, decoded; empty for a path without one. */
  readonly name: string;
  /** The path's `{consumer}`, decoded; empty for a path without one. */
  readonly consumer: string;
  /** The path's `{version}`; 0 for a path without one. */
  readonly version: number;
  readonly query: Query;
  readonly body: Body;
  /** The JSON text of the body. */
  readonly bodyText: string;
  readonly headers: Headers;
  /** A signal that is aborted when the client disconnects; created on demand. */
  readonly disconnection: () => AbortSignal;
}

export interface BodyDescription<Body = unknown> {
  readonly schema: z.ZodType<Body>;
  readonly bytesMax: number;
  /** A request without a body counts as one with `{}`. */
  readonly isOptional?: boolean;
}

/** Documents a route and validates its requests. */
export interface RouteDescription {
  /** Unique, beginning with a verb: generated clients have functions of these names. */
  readonly operationId: string;
  readonly method: Method;
  /** In OpenAPI's notation: `/v1/things/{id}`. */
  readonly path: string;
  readonly tag: TagName;
  readonly summary: string;
  readonly description?: string;
  /** Null for public routes. */
  readonly scope: Scope | null;
  /** True for a public route whose answer costs far more than a refusal, so that an address gets few. */
  readonly isCostly?: boolean;
  /** True when a link with a token is accepted in place of an API key. */
  readonly isLinked?: boolean;
  /** The kind of object that the path's `{id}` names. */
  readonly idKind?: IdKind;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: BodyDescription;
  /** How long a response may take where that depends on others; otherwise `REQUEST_DEADLINE_MS`. */
  readonly answeredWithinMs?: number;
  readonly success: {
    readonly status: number;
    readonly description: string;
    /** Description of a 201, where it may be the response too. */
    readonly created?: string;
    /** Description of a 204, where it may be the response too. */
    readonly empty?: string;
    readonly schema?: z.ZodType;
    readonly contentType?: string;
    /** Content types of responses whose content comes from others. */
    readonly otherContentTypes?: readonly string[];
  };
  /** The field of the body that holds the URL which events are sent to. */
  readonly callbackField?: string;
  /** Problems beyond those that every route of its kind may have. */
  readonly problems?: readonly ProblemCode[];
}

/** One incoming request with its caller. */
interface Incoming extends RequestScope {
  readonly request: Request;
  readonly caller: Caller | null;
  readonly client: Client;
  /** The path's `{id}` as given. */
  readonly idText: string | undefined;
  /** The path's `{name}`, decoded. */
  readonly nameText: string | undefined;
  /** The path's `{consumer}`, decoded. */
  readonly consumerText: string | undefined;
  /** The path's `{version}` as given. */
  readonly versionText: string | undefined;
  /** For a large body: waits for a turn to read it once it has come. */
  readonly beforeReading?: () => Promise<void> | null;
}

export interface Route {
  readonly description: RouteDescription;
  answer(incoming: Incoming): Reply | Promise<Reply>;
}

interface Spec<Query, Body> extends RouteDescription {
  readonly scope: Scope;
  readonly query?: z.ZodObject & z.ZodType<Query>;
  readonly body?: BodyDescription<Body>;
  handle(request: RouteRequest<Query, Body>): Reply | Promise<Reply>;
}

type OpenSpec<Query> = Omit<RouteDescription, "scope" | "idKind" | "query" | "headers" | "body"> & {
  readonly query?: z.ZodObject & z.ZodType<Query>;
  handle(
    request: {
      /** The path's `{name}`, decoded; empty for a path without one. */
      readonly name: string;
      readonly query: Query;
      readonly headers: Headers;
      readonly client: Client;
    } & RequestScope,
  ): Reply | Promise<Reply>;
};

/** For a response that waits for others, whose own time limits are below this. */
export const WAITS_FOR_OTHERS_MS = 660_000;

/** A route for callers with an API key. */
export function defineRoute<Query = undefined, Body = undefined>(spec: Spec<Query, Body>): Route {
  return {
    description: spec,
    async answer(incoming) {
      const { request, caller, client, idText, nameText, deadline, database } = incoming;
      if (caller === null) throw new Error(`${spec.path} was reached without a caller`);
      const id = readId(spec.idKind, idText);
      if (!id.ok) return id;
      // A route that creates a named object validates the name itself.
      const name =
        spec.method === "PUT" ? { ok: true as const, value: nameText ?? "" } : readName(nameText);
      if (!name.ok) return name;
      const consumer = readName(incoming.consumerText);
      if (!consumer.ok) return consumer;
      const version = readVersion(incoming.versionText);
      if (!version.ok) return version;
      const query = readRouteQuery(request.url, spec.query);
      if (!query.ok) return query;
      const body =
        spec.body === undefined
          ? NO_BODY
          : await deadline.pausedDuring(readBody(request, spec.body, incoming.beforeReading));
      if (!body.ok) return body;
      return spec.handle({
        caller,
        client,
        id: id.value,
        name: name.value,
        consumer: consumer.value,
        version: version.value,
        query: query.value as Query,
        body: body.value.value as Body,
        bodyText: body.value.text,
        headers: request.headers,
        disconnection: () => request.signal,
        deadline,
        database,
      });
    },
  };
}

/** A route for callers with an API key or a link to it. */
export function defineLinkedRoute<Query>(
  spec: Omit<Spec<Query, undefined>, "body" | "handle"> & {
    /** `caller` is null for a caller with a link, which is still to be checked. */
    handle(
      request: {
        readonly caller: Caller | null;
        readonly id: string;
        readonly query: Query;
      } & RequestScope,
    ): Reply | Promise<Reply>;
  },
): Route {
  return {
    description: { ...spec, isLinked: true },
    answer({ request, caller, idText, ...scope }) {
      const id = readId(spec.idKind, idText);
      if (!id.ok) return id;
      const query = readRouteQuery(request.url, spec.query);
      if (!query.ok) return query;
      return spec.handle({ caller, id: id.value, query: query.value as Query, ...scope });
    },
  };
}

/** A public route. One without a query of its own ignores any query. */
export function defineOpenRoute<Query = undefined>(spec: OpenSpec<Query>): Route {
  return {
    description: { ...spec, scope: null },
    answer({ request, client, nameText, deadline, database }) {
      const name = readName(nameText);
      if (!name.ok) return name;
      const scope = { name: name.value, headers: request.headers, client, deadline, database };
      if (spec.query === undefined) return spec.handle({ query: undefined as Query, ...scope });
      const query = readQuery<Query>(request.url, spec.query);
      return query.ok ? spec.handle({ query: query.value, ...scope }) : query;
    },
  };
}

export function notFound(kind: IdKind, id: string): Refusal {
  return refused("not_found", `There is no ${NOUNS[kind]} ${id}.`);
}

/** More than any name may have. */
const NAME_CHARACTERS_MAX = 200;
const EMPTY_OBJECT = { ok: true, value: { text: "{}", value: {} } } as const;
const NO_QUERY = z.strictObject({});
const NOTHING: Outcome<undefined> = { ok: true, value: undefined };
const NO_VERSION = { ok: true, value: 0 } as const;
/** Within the integers of the database. */
const VERSION = /^[1-9]\d{0,8}$/;
const NO_BODY = { ok: true, value: { text: "", value: undefined } } as const;

const NOUNS: Readonly<Record<IdKind, string>> = {
  project: "project",
  apiKey: "API key",
  connection: "connection",
  job: "job",
  subscription: "subscription",
  event: "event",
  delivery: "delivery",
  signingSecret: "signing secret",
  redelivery: "redelivery",
  operationalEvent: "operational event",
  signingKey: "signing key",
  auditEntry: "audit entry",
  consoleLink: "link",
};

function readId(kind: IdKind | undefined, text: string | undefined): Outcome<string> {
  if (kind === undefined) return { ok: true, value: "" };
  const id = parsePublicId(kind, text ?? "");
  if (id !== null) return { ok: true, value: id };
  const detail = `The id of ${withArticle(NOUNS[kind])} is ${ID_PREFIXES[kind]}_ and 32 hex digits.`;
  return refused("not_found", `There is no such ${NOUNS[kind]}. ${detail}`);
}

function withArticle(noun: string): string {
  return /^[aeiou]/i.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** A name that nothing can have is not looked up: the database accepts no NUL. */
function readName(text = ""): Outcome<string> {
  if (text.length <= NAME_CHARACTERS_MAX && isPrintable(text)) return { ok: true, value: text };
  const detail = `A name has at most ${NAME_CHARACTERS_MAX} characters, none of them a control character.`;
  return refused("not_found", `There is no object of that name. ${detail}`);
}

function readVersion(text: string | undefined): Outcome<number> {
  if (text === undefined) return NO_VERSION;
  if (VERSION.test(text)) return { ok: true, value: Number(text) };
  return refused("not_found", "There is no such version. A version is a number from 1 on.");
}

function readRouteQuery(url: string, schema: z.ZodObject | undefined): Outcome<unknown> {
  if (schema !== undefined) return readQuery(url, schema);
  return url.includes("?") ? readQuery(url, NO_QUERY) : NOTHING;
}

function hasNoBody({ headers }: Request): boolean {
  const length = headers.get("content-length");
  if (length !== null) return length === "0";
  return !headers.has("transfer-encoding") && !headers.has("content-type");
}

async function readBody(
  request: Request,
  { schema, bytesMax, isOptional = false }: BodyDescription,
  beforeReading?: () => Promise<void> | null,
): Promise<Outcome<{ readonly text: string; readonly value: unknown }>> {
  const body =
    isOptional && hasNoBody(request)
      ? EMPTY_OBJECT
      : await readJsonBody(request, bytesMax, beforeReading);
  if (!body.ok) return body;
  const parsed = schema.safeParse(body.value.value);
  if (parsed.success) return { ok: true, value: { text: body.value.text, value: parsed.data } };
  const parts = invalidBodyParts(parsed.error.issues);
  return { ok: false, problem: problemOfParts("validation_failed", parts) };
}

/** Reads the query of a URL by a strict schema: unknown and repeated parameters are refused. */
function readQuery<Query>(url: string, schema: z.ZodType<Query>): Outcome<Query> {
  const start = url.indexOf("?");
  const given = new Map<string, string>();
  const repeated: InvalidPart[] = [];
  if (start !== -1) {
    for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
      if (given.has(name)) {
        repeated.push({
          parameter: name.slice(0, 100),
          detail: "This parameter is repeated; send it only once.",
        });
      }
      given.set(name, value);
    }
  }
  if (repeated.length > 0) return invalid(repeated);
  const result = schema.safeParse(Object.fromEntries(given));
  return result.success
    ? { ok: true, value: result.data }
    : invalid(invalidQueryParts(result.error.issues));
}

function invalid(parts: readonly InvalidPart[]): Refusal {
  return { ok: false, problem: problemOfParts("invalid_query", parts) };
}
