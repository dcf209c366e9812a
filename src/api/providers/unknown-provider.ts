import type { ApiPorts } from "../context.ts";

/** Names as many as a person would read. */
const NAMES_MAX = 50;

/** Says which providers the project can name. */
export function unknownProviderDetail(
  projectId: string,
  providers: Pick<ApiPorts["providers"], "list">,
): string {
  const names = providers.list(projectId).map(({ provider }) => provider.name);
  const more = names.length > NAMES_MAX ? ", …" : "";
  return `There is no such provider; there are: ${names.slice(0, NAMES_MAX).join(", ")}${more}.`;
}
