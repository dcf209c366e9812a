import type { ApiPorts } from "../context.ts";

/** As many names as a person would read. */
const NAMES_MAX = 50;

/** Lists the providers that the project can use. */
export function unknownProviderDetail(
  projectId: string,
  providers: Pick<ApiPorts["providers"], "list">,
): string {
  const names = providers.list(projectId).map(({ provider }) => provider.name);
  const more = names.length > NAMES_MAX ? ", …" : "";
  return `There is no such provider; the project can use: ${names.slice(0, NAMES_MAX).join(", ")}${more}.`;
}
