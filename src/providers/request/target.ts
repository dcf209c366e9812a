import { matchesHost } from "../language/allowed-url.ts";
import type { CompiledRequest } from "../compile/request.ts";
import { credentialHeaders, credentialQuery, problemWithCredential } from "./credential.ts";
import type { Provider } from "../compile/provider.ts";
import { awsSigner, readAwsCredential, type Signer } from "./sign-aws.ts";

/** One kind of request of a connection: everything its jobs share, computed once. */
export interface PreparedRequest {
  readonly request: CompiledRequest;
  readonly headers: Readonly<Record<string, string>>;
  /** `name=credential` for `query` authentication, or the empty text. */
  readonly authQuery: string;
  readonly sign: Signer | null;
  /** Hosts that a URL may lead to besides the connection's own. */
  readonly hosts: readonly string[];
}

/** Everything that requests of one connection share, computed once. Contains the credential. */
export interface PreparedTarget {
  readonly provider: Provider;
  readonly origin: string;
  /** Path of the base URL, without a slash at the end. */
  readonly prefix: string;
  /** The credential alone, for requests that are not built from the definition. */
  readonly credential: {
    readonly headers: Readonly<Record<string, string>>;
    /** `name=credential` for `query` authentication, or the empty text. */
    readonly query: string;
    readonly sign: Signer | null;
  };
  readonly status: PreparedRequest;
  readonly cancel: PreparedRequest | null;
  readonly result: PreparedRequest | null;
  readonly download: {
    readonly withCredential: PreparedRequest | null;
    readonly without: PreparedRequest;
  } | null;
}

type TargetPreparation =
  | { readonly kind: "ready"; readonly target: PreparedTarget }
  | {
      readonly kind: "refused";
      readonly field: "base_url" | "credential";
      /** For a person; never quotes the credential. */
      readonly problem: string;
    };

/** Checks a connection's address and credential and computes what its requests share. */
export function prepareTarget(
  provider: Provider,
  connection: {
    /** Null for the provider's own. */
    readonly baseUrl: string | null;
    readonly credential: string;
    /** Sent unless the definition has one of its own. */
    readonly userAgent?: string;
  },
): TargetPreparation {
  const { credential, userAgent = "Ringback" } = connection;
  const baseUrl = connection.baseUrl ?? provider.baseUrl;
  if (baseUrl === null) return refused("base_url", noBaseUrl(provider));
  const url = URL.parse(baseUrl);
  const urlProblem = problemWithBaseUrl(provider, url);
  if (url === null || urlProblem !== null) return refused("base_url", urlProblem ?? "");
  const credentialProblem = problemWithCredential(provider.definition.auth, credential);
  if (credentialProblem !== null) return refused("credential", credentialProblem);
  const { status, cancel, result } = provider.requests;
  const { download } = provider;
  const prepare = (request: CompiledRequest) =>
    prepareRequest(provider, request, { credential, userAgent });
  const target: PreparedTarget = {
    provider,
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ""),
    credential: Object.freeze({
      headers: Object.freeze(credentialHeaders(provider.definition.auth, credential)),
      query: credentialQuery(provider.definition.auth, credential),
      sign: signerOf(provider, credential),
    }),
    status: prepare(status),
    cancel: cancel === null ? null : prepare(cancel),
    result: result === null ? null : prepare(result),
    download: download && {
      withCredential: download.withCredential && prepare(download.withCredential),
      without: prepare(download.without),
    },
  };
  return { kind: "ready", target: Object.freeze(target) };
}

function prepareRequest(
  provider: Provider,
  request: CompiledRequest,
  { credential, userAgent }: { readonly credential: string; readonly userAgent: string },
): PreparedRequest {
  const { auth, headers } = provider.definition;
  const own = {
    accept: request.accept,
    "user-agent": userAgent,
    ...headers,
    ...request.fixedHeaders,
  };
  if (!request.sendsCredential) {
    const hosts = [...provider.allowedHosts, ...request.hosts];
    return Object.freeze({
      request,
      headers: Object.freeze(own),
      authQuery: "",
      sign: null,
      hosts,
    });
  }
  return Object.freeze({
    request,
    headers: Object.freeze({ ...own, ...credentialHeaders(auth, credential) }),
    authQuery: credentialQuery(auth, credential),
    sign: signerOf(provider, credential),
    hosts: provider.allowedHosts,
  });
}

function signerOf({ definition: { auth } }: Provider, credential: string): Signer | null {
  if (auth.kind !== "aws_sigv4") return null;
  const read = readAwsCredential(credential);
  return read === null ? null : awsSigner(auth, read);
}

function problemWithBaseUrl(provider: Provider, url: URL | null): string | null {
  if (url === null) return "The base URL is not a URL.";
  if (url.protocol !== "https:" && url.protocol !== "http:") return "The base URL must be http(s).";
  if (url.username !== "" || url.password !== "") {
    return "The base URL must not contain a user name or password.";
  }
  if (url.search !== "" || url.hash !== "") return "The base URL must end with its path.";
  const isRestricted = provider.definition.allowed_hosts !== undefined;
  if (isRestricted && !matchesHost(provider.allowedHosts, url.hostname)) {
    const hosts = provider.allowedHosts.join(", ");
    return `The provider ${provider.name} does not allow the host ${url.hostname}; it allows ${hosts}.`;
  }
  return null;
}

function noBaseUrl({ name, allowedHosts }: Provider): string {
  const hosts = allowedHosts.length === 0 ? "" : ` on ${allowedHosts.join(" or ")}`;
  return `The provider ${name} has no address of its own; give the connection a base_url${hosts}.`;
}

function refused(field: "base_url" | "credential", problem: string): TargetPreparation {
  return { kind: "refused", field, problem };
}
