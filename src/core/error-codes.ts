interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** The cause and what to do about it; the page of the code shows it. Backquotes mark code. */
  readonly help: string;
}

/**
 * Every problem the API answers with: the code that programs read, its HTTP status, and the texts
 * that people read. A closed list; a code never changes its meaning or its status.
 */
export const PROBLEMS = {
  malformed_request: {
    status: 400,
    title: "Malformed request",
    help: "The gateway could not read the request as HTTP/1.1. Check the program or the proxy that sent it.",
  },
  malformed_json: {
    status: 400,
    title: "Malformed JSON",
    help: "The body is empty, not UTF-8, or not JSON. `detail` names the line and column where it goes wrong.",
  },
  incomplete_body: {
    status: 400,
    title: "Incomplete body",
    help: "The connection ended before the whole body had arrived. Send the request again.",
  },
  invalid_query: {
    status: 400,
    title: "Invalid query parameter",
    help: "A query parameter is unknown, repeated, or has an invalid value. `errors` names each one.",
  },
  invalid_cursor: {
    status: 400,
    title: "Invalid cursor",
    help: "A cursor works only with the list and the filters that returned it. Use `next_cursor` unchanged, or start without a cursor.",
  },
  invalid_header: {
    status: 400,
    title: "Invalid header",
    help: "A request header has an invalid value. `errors` names it.",
  },
  unauthorized: {
    status: 401,
    title: "Missing or invalid API key",
    help: "The request has no API key, or its key is unknown, expired or revoked. Send `Authorization: Bearer rb_…`.",
  },
  insufficient_scope: {
    status: 403,
    title: "The API key lacks a scope",
    help: "The API key is valid but lacks the scope that this operation needs; `detail` names it. Use another key, or create one with that scope.",
  },
  link_expired: {
    status: 403,
    title: "The link has expired",
    help: "The token of the link has expired. Every attempt of a delivery brings a new link; or send an API key with the request.",
  },
  link_invalid: {
    status: 403,
    title: "The link is not valid",
    help: "The token of the link does not belong to this address. Use the link unchanged, or send an API key with the request.",
  },
  route_not_found: {
    status: 404,
    title: "No such route",
    help: "Nothing is served at this path. Compare it with the operations in this documentation.",
  },
  not_found: {
    status: 404,
    title: "Not found",
    help: "The project has no such object. It may have been deleted, be past its retention, or belong to another project.",
  },
  method_not_allowed: {
    status: 405,
    title: "Method not allowed",
    help: "The path exists but not with this method. The header `Allow` lists those that do.",
  },
  request_timeout: {
    status: 408,
    title: "The request took too long to arrive",
    help: "The request did not arrive completely within the time limit. Send it again over a faster connection.",
  },
  idempotency_conflict: {
    status: 409,
    title: "Idempotency key used for another request",
    help: "The `Idempotency-Key` was already used with a different request. Use a new key for a new request.",
  },
  idempotency_key_in_use: {
    status: 409,
    title: "A request with the same idempotency key is in progress",
    help: "Another request with this `Idempotency-Key` has not been answered yet. Wait for as long as `Retry-After` says and send the request again: it is answered as the other one was.",
  },
  subscription_closed: {
    status: 409,
    title: "The subscription is closed",
    help: "The subscription was deleted or its receiver answered 410, so nothing more is sent for it. Create a new one.",
  },
  job_ended: {
    status: 409,
    title: "The job has ended",
    help: "The job has ended, or every subscription to it was deleted, so it is watched no more and its deadline can't be moved.",
  },
  connection_exists: {
    status: 409,
    title: "The connection already exists",
    help: "The provider already has a connection of this name. Change that one, or choose another name.",
  },
  provider_name_taken: {
    status: 409,
    title: "The provider name is taken",
    help: "A provider of this name comes with Ringback or with the operator's files. Choose another name.",
  },
  upstream_not_asked: {
    status: 409,
    title: "The upstream can't be asked now",
    help: "The live request was not sent, for example because the connection is paused. `detail` gives the reason.",
  },
  consumer_busy: {
    status: 409,
    title: "Another request reads for the consumer",
    help:
      "Only one request at a time can read for a named consumer. End the other one, or use " +
      "another name. The claim of a dead node ends within 12 seconds.",
  },
  provider_in_use: {
    status: 409,
    title: "The provider is in use",
    help: "The project still has connections to this provider. Delete them first.",
  },
  too_many_providers: {
    status: 409,
    title: "Too many providers",
    help: "The project has reached its limit of definitions. Delete some that are no longer used.",
  },
  project_limit_reached: {
    status: 409,
    title: "The project has reached a limit",
    help:
      "The project has reached its limit of these objects. `limit` names the limit and " +
      "`allowed` its value; delete some, or ask the operator for more.",
  },
  connection_in_use: {
    status: 409,
    title: "The connection is in use",
    help: "Jobs are still watched through this connection. Wait until they end, or delete their subscriptions.",
  },
  too_many_signing_secrets: {
    status: 409,
    title: "Too many active signing secrets",
    help: "Too many secrets or keys would sign at the same time. Wait until one expires, or rotate with an overlap of 0.",
  },
  body_too_large: {
    status: 413,
    title: "The body is too large",
    help: "The body exceeds the limit of this operation. Send less, or split it into several requests.",
  },
  unsupported_media_type: {
    status: 415,
    title: "Unsupported media type",
    help: "Send the body as `Content-Type: application/json`, without a content encoding.",
  },
  validation_failed: {
    status: 422,
    title: "Invalid request body",
    help: "Fields of the body are missing, unknown or invalid. `errors` points at each one with a JSON Pointer.",
  },
  callback_url_refused: {
    status: 422,
    title: "The callback URL can't be used",
    help: "Callbacks go only to public https addresses that the operator allows. `errors` gives the reason.",
  },
  base_url_refused: {
    status: 422,
    title: "The base URL can't be used",
    help: "Polls go only to public https addresses that the operator allows. `errors` gives the reason.",
  },
  unknown_provider: {
    status: 422,
    title: "Unknown provider",
    help: "The project has no provider of this name. `detail` lists those it has.",
  },
  unknown_connection: {
    status: 422,
    title: "Unknown connection",
    help: "The provider has no connection of this name in the project. Create it with `POST /v1/connections`.",
  },
  too_many_requests: {
    status: 429,
    title: "Too many requests",
    help:
      "The project, or without a key this address, sends more requests than its limit allows. " +
      "Wait for the time in `Retry-After`, then send more slowly.",
  },
  too_many_refused_keys: {
    status: 429,
    title: "Too many requests without a valid API key",
    help: "This address has sent too many requests without a valid API key. Correct the key and wait for the time in `Retry-After`; valid keys still work.",
  },
  too_many_tests: {
    status: 429,
    title: "Too many callback tests",
    help: "The project is testing too many callbacks. Wait for the time in `Retry-After`.",
  },
  too_many_redeliveries: {
    status: 429,
    title: "Too many redeliveries in progress",
    help:
      "The project has reached its limit of running redeliveries. Wait until one ends, or " +
      "cancel one.",
  },
  project_limit_exceeded: {
    status: 429,
    title: "The project has reached a usage limit",
    help:
      "The project has reached one of its limits. `limit` names it and `allowed` is its value; " +
      "wait until it uses less, or ask the operator for more.",
  },
  too_many_live_jobs: {
    status: 429,
    title: "Too many live jobs",
    help:
      "The project has reached its limit of watched jobs. Wait until some end, delete " +
      "subscriptions that are no longer needed, or raise the limit.",
  },
  headers_too_large: {
    status: 431,
    title: "The headers are too large",
    help: "The request line and headers exceed the limit. Send fewer or shorter headers.",
  },
  internal_error: {
    status: 500,
    title: "Internal error",
    help: "Something failed in the gateway. The log names the request by `instance`; please report it.",
  },
  upgrade_refused: {
    status: 501,
    title: "Upgrades are not supported",
    help:
      "Connections that change their protocol, such as WebSockets, are not forwarded. Send an " +
      "ordinary request.",
  },
  upstream_failed: {
    status: 502,
    title: "The upstream could not be reached",
    help: "The gateway could not reach the upstream, so the request was not answered. `detail` gives the reason.",
  },
  upstream_busy: {
    status: 503,
    title: "The connection to the upstream is busy",
    help: "As many requests to the upstream are in progress as the connection allows. Wait for the time in `Retry-After`.",
  },
  overloaded: {
    status: 503,
    title: "Overloaded",
    help: "The gateway has too much to store at the moment. `outcome` says whether anything was stored; wait for the time in `Retry-After`.",
  },
  database_unavailable: {
    status: 503,
    title: "The database is unavailable",
    help: "The gateway can't reach its database. `outcome` says whether anything was stored; wait for the time in `Retry-After`.",
  },
  not_ready: {
    status: 503,
    title: "Not ready",
    help: "The node is starting, stopping, or lacks something it needs; `reasons` names it. Ask another node, or wait for the time in `Retry-After`.",
  },
  upstream_timeout: {
    status: 504,
    title: "The upstream took too long",
    help: "The upstream did not answer in time. It may have carried the request out; check there before sending it again.",
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

/**
 * Every warning that an accepted request may be answered with, and the code that programs read. A
 * closed list; a code never changes its meaning.
 */
export const WARNING_CODES = ["callback_host_unresolved", "callback_on_this_machine"] as const;

/** Something that a person should look at, although the request was accepted. */
export interface Warning {
  readonly code: (typeof WARNING_CODES)[number];
  /** Says what was found and what to do. */
  readonly message: string;
}
