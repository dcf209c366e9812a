/**
 * Every problem the API answers with: the code that programs read, its HTTP status, and the title
 * that people read. A closed list; a code never changes its meaning or its status.
 */
export const PROBLEMS = {
  malformed_request: { status: 400, title: "Malformed request" },
  malformed_json: { status: 400, title: "Malformed JSON" },
  incomplete_body: { status: 400, title: "Incomplete body" },
  invalid_query: { status: 400, title: "Invalid query parameter" },
  invalid_cursor: { status: 400, title: "Invalid cursor" },
  invalid_header: { status: 400, title: "Invalid header" },
  unauthorized: { status: 401, title: "Missing or refused API key" },
  insufficient_scope: { status: 403, title: "The API key lacks a scope" },
  route_not_found: { status: 404, title: "No such address" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  request_timeout: { status: 408, title: "The request took too long to arrive" },
  idempotency_conflict: { status: 409, title: "Idempotency key used for another request" },
  subscription_closed: { status: 409, title: "The subscription is closed" },
  connection_exists: { status: 409, title: "The connection exists" },
  provider_name_taken: { status: 409, title: "Another provider has this name" },
  upstream_not_asked: { status: 409, title: "The upstream can't be asked now" },
  provider_in_use: { status: 409, title: "The provider is in use" },
  too_many_providers: { status: 409, title: "Too many providers" },
  connection_in_use: { status: 409, title: "The connection is in use" },
  too_many_signing_secrets: { status: 409, title: "Too many secrets would sign at once" },
  body_too_large: { status: 413, title: "The body is too large" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  validation_failed: { status: 422, title: "Invalid request body" },
  callback_url_refused: { status: 422, title: "The callback URL can't be used" },
  base_url_refused: { status: 422, title: "The base URL can't be used" },
  unknown_provider: { status: 422, title: "Unknown provider" },
  unknown_connection: { status: 422, title: "Unknown connection" },
  too_many_redeliveries: { status: 429, title: "Too many redeliveries run" },
  too_many_live_jobs: { status: 429, title: "Too many live jobs" },
  headers_too_large: { status: 431, title: "The headers are too large" },
  internal_error: { status: 500, title: "Internal error" },
  overloaded: { status: 503, title: "Overloaded" },
  database_unavailable: { status: 503, title: "The database is unavailable" },
  not_ready: { status: 503, title: "Not ready" },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly title: string }>>;

export type ProblemCode = keyof typeof PROBLEMS;
