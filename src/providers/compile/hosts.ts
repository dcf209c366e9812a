import type { ProviderDefinition } from "../definition/definition.ts";
import type { Provider } from "./provider.ts";
import type { ResultDefinition } from "../definition/result.ts";

/** Why a URL may not be requested, or null. */
export type UrlPolicy = (url: string) => string | null;

/** A place in a definition that says where requests go. */
interface DefinitionHost {
  /** A JSON Pointer into the definition. */
  readonly pointer: string;
  /** A URL that leads there. */
  readonly url: string;
}

/** The places of a definition that lead to forbidden hosts. */
export function unexpectedHosts(
  { definition }: Provider,
  judge: UrlPolicy,
): { readonly pointer: string; readonly detail: string }[] {
  return hostsOf(definition).flatMap(({ pointer, url }) => {
    const detail = judge(url);
    return detail === null ? [] : [{ pointer, detail }];
  });
}

function hostsOf(definition: ProviderDefinition): DefinitionHost[] {
  const { base_url: baseUrl, allowed_hosts: allowed, result } = definition;
  const ofResult =
    result.kind === "request"
      ? listed("/result/request/hosts", result.request.hosts)
      : listed("/result/download/hosts", result.download?.hosts);
  return [
    ...(baseUrl === undefined ? [] : [{ pointer: "/base_url", url: baseUrl }]),
    ...listed("/allowed_hosts", allowed),
    ...ofResult,
  ];
}

function listed(pointer: string, hosts: readonly string[] = []): DefinitionHost[] {
  return hosts.map((host, index) => ({ pointer: `${pointer}/${index}`, url: urlOf(host) }));
}

/** An address that the pattern matches. */
function urlOf(host: string): string {
  return `https://${host.replaceAll("*", "any")}`;
}

/**
 * Where a provider's requests may carry a connection's credential: the origin of its address, and
 * the allowed hosts if a job or a response can name the URL of a request.
 * @param baseUrl the connection's own, or null for the provider's
 */
export function credentialHosts(provider: Provider, baseUrl: string | null): readonly string[] {
  const { origin = null } = URL.parse(baseUrl ?? provider.baseUrl ?? "") ?? {};
  return [
    ...(origin === null ? [] : [origin]),
    ...(followsUrls(provider) ? provider.allowedHosts : []),
  ];
}

function followsUrls({ urlParams, definition: { status, result } }: Provider): boolean {
  return urlParams.length > 0 || status.next_url !== undefined || followsToResult(result);
}

/** True when the credential goes to a URL that a response or a result names. */
function followsToResult(result: ResultDefinition): boolean {
  return result.kind === "request"
    ? result.request.url_at !== undefined && result.request.credential
    : result.download?.credential === true;
}

/** Those of the hosts that were not agreed to when the credential was given. */
export function hostsNotAgreed(hosts: readonly string[], agreed: readonly string[]): string[] {
  // Requests to an allowed host use https and the usual port, and so does that origin.
  return hosts.filter((host) => !agreed.includes(host) && !agreed.includes(`https://${host}`));
}
