import { missingParams, refusedUrlParams } from "../../providers/request/build.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import { jsonPointer } from "../../runtime/settings/invalid-places.ts";
import type { InvalidPart } from "../../core/problem.ts";
import type { ApiServices } from "../services.ts";

/** As many names as a person would read. */
const NAMES_MAX = 50;

/** Lists the providers that the project can use. */
export function unknownProviderDetail(
  projectId: string,
  providers: Pick<ApiServices["providers"], "list">,
): string {
  const names = providers.list(projectId).map(({ name }) => name);
  const more = names.length > NAMES_MAX ? ", …" : "";
  return `There is no such provider; the project can use: ${names.slice(0, NAMES_MAX).join(", ")}${more}.`;
}

type Params = Readonly<Record<string, string>>;

/** Problems with the params of a job: missing ones and unknown ones. */
export function paramFaults(provider: Provider, params: Params): InvalidPart[] {
  const missing = missingParams(provider, params).map((name) => ({
    pointer: jsonPointer(["params", name]),
    detail: `The provider ${provider.name} needs this param; it must not be empty.`,
  }));
  const unknownFields = Object.keys(params).filter((name) => !provider.paramNames.includes(name));
  const known = provider.paramNames.join(", ") || "none";
  const unknown = unknownFields.map((name) => ({
    pointer: jsonPointer(["params", name]),
    detail: `The provider ${provider.name} does not know this param; it knows: ${known}.`,
  }));
  return [...missing, ...unknown];
}

/** A URL from the client may lead only where the connection's credential may go. */
export function urlFaults(
  provider: Provider,
  baseUrl: string | null,
  params: Params,
): InvalidPart[] {
  return refusedUrlParams(provider, baseUrl, params).map(({ name, problem }) => ({
    pointer: jsonPointer(["params", name]),
    detail: problem,
  }));
}
