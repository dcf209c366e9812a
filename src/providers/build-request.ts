import type { CompiledRequest } from "./compile-request.ts";
import type { ProviderAuth } from "./definition.ts";
import {
  encodeQueryValue,
  encodeSegment,
  fillTemplate,
  type JobReference,
} from "./path-template.ts";
import type { Provider } from "./provider.ts";

/** A request to an upstream, ready to be sent. `headers` is shared by all requests of a target. */
export interface UpstreamRequest {
  readonly method: CompiledRequest["method"];
  readonly origin: string;
  /** Path and query. With `query` authentication it holds the credential: not for logs. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What all requests of one connection share, worked out once. Holds the credential. */
export interface PreparedTarget {
  readonly provider: Provider;
  readonly origin: string;
  /** Path of the base URL, without a slash at the end. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `name=credential` for `query` authentication, or the empty text. */
  readonly authQuery: string;
}

export type TargetPreparation =
  | { readonly kind: "ready"; readonly target: PreparedTarget }
  | {
      readonly kind: "refused";
      readonly field: "base_url" | "credential";
      /** For a person; never quotes the credential. */
      readonly problem: string;
    };

// What may stand in a header value, without the white space at its ends that gets lost on the way.
const HEADER_SAFE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_CHARACTER = /[\x00-\x1f\x7f]/;

/** Checks a connection's address and credential and works out what its requests share. */
export function prepareTarget(
  provider: Provider,
  connection: { readonly baseUrl: string; readonly credential: string },
): TargetPreparation {
  const url = URL.parse(connection.baseUrl);
  const urlProblem = problemWithBaseUrl(provider, url);
  if (url === null || urlProblem !== null) {
    return { kind: "refused", field: "base_url", problem: urlProblem ?? "" };
  }
  const { auth, headers } = provider.definition;
  const credentialProblem = problemWithCredential(auth, connection.credential);
  if (credentialProblem !== null) {
    return { kind: "refused", field: "credential", problem: credentialProblem };
  }
  const target: PreparedTarget = {
    provider,
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ""),
    headers: Object.freeze({
      accept: "application/json",
      ...headers,
      ...authHeaders(auth, connection.credential),
    }),
    authQuery: authQuery(auth, connection.credential),
  };
  return { kind: "ready", target: Object.freeze(target) };
}

export function buildStatusRequest(target: PreparedTarget, job: JobReference): UpstreamRequest {
  return buildRequest(target, target.provider.requests.status, job);
}

/** Null when the provider has no way to cancel a job. */
export function buildCancelRequest(
  target: PreparedTarget,
  job: JobReference,
): UpstreamRequest | null {
  const { cancel } = target.provider.requests;
  return cancel === null ? null : buildRequest(target, cancel, job);
}

/** The params that the provider's requests need and `params` lacks or has empty. */
export function missingParams(
  provider: Provider,
  params: Readonly<Record<string, string>>,
): readonly string[] {
  return provider.paramNames.filter((name) => !Object.hasOwn(params, name) || params[name] === "");
}

function buildRequest(
  target: PreparedTarget,
  request: CompiledRequest,
  job: JobReference,
): UpstreamRequest {
  const path = target.prefix + fillTemplate(request.path, job, encodeSegment);
  const query = request.query === null ? "" : fillTemplate(request.query, job, encodeQueryValue);
  return {
    method: request.method,
    origin: target.origin,
    path: withQuery(path, query, target.authQuery),
    headers: target.headers,
  };
}

function withQuery(path: string, query: string, authQuery: string): string {
  if (query === "") return authQuery === "" ? path : `${path}?${authQuery}`;
  return authQuery === "" ? `${path}?${query}` : `${path}?${query}&${authQuery}`;
}

function problemWithBaseUrl(provider: Provider, url: URL | null): string | null {
  if (url === null) return "The base URL is not a URL.";
  if (url.protocol !== "https:" && url.protocol !== "http:") return "The base URL must be http(s).";
  if (url.username !== "" || url.password !== "") {
    return "The base URL must not contain a user name or password.";
  }
  if (url.search !== "" || url.hash !== "") return "The base URL must end with its path.";
  if (!isAllowedHost(provider, url.hostname)) {
    return `The provider ${provider.name} does not allow the host ${url.hostname}.`;
  }
  return null;
}

function isAllowedHost(provider: Provider, hostname: string): boolean {
  const { allowed_hosts: allowed, base_url: ownUrl } = provider.definition;
  if (allowed === undefined || hostname === new URL(ownUrl).hostname) return true;
  return allowed.some((host) =>
    host.startsWith("*.") ? hostname.endsWith(host.slice(1)) : hostname === host,
  );
}

function problemWithCredential(auth: ProviderAuth, credential: string): string | null {
  if (auth.kind === "none") return null;
  if (credential === "") return "The credential is empty.";
  if (CONTROL_CHARACTER.test(credential)) {
    return "The credential contains a line break or another control character.";
  }
  // Basic and query authentication encode the credential, so any other character may occur.
  if (auth.kind === "basic" || auth.kind === "query" || HEADER_SAFE.test(credential)) return null;
  return "The credential must be printable ASCII without white space at its ends.";
}

function authHeaders(auth: ProviderAuth, credential: string): Readonly<Record<string, string>> {
  switch (auth.kind) {
    case "header":
      return { [auth.name]: auth.prefix + credential };
    case "bearer":
      return { authorization: `Bearer ${credential}` };
    case "basic":
      return { authorization: `Basic ${Buffer.from(credential).toString("base64")}` };
    case "query":
    case "none":
      return {};
  }
}

function authQuery(auth: ProviderAuth, credential: string): string {
  return auth.kind === "query"
    ? `${encodeQueryValue(auth.name)}=${encodeQueryValue(credential)}`
    : "";
}
