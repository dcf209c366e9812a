import type { ProviderDefinition } from "../definition/definition.ts";
import type { Provider } from "./provider.ts";

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
