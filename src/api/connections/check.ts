import { prepareTarget } from "../../providers/request/target.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import type { ApiPorts } from "../context.ts";
import { problemOfParts } from "../http/problem.ts";
import type { Problem } from "../http/problem.ts";

/** Takes the place of a credential that is not checked. */
const ANY_CREDENTIAL = "credential";

/** Why polls could not be sent with this address and credential, or null. */
export function connectionProblem(
  connection: {
    readonly projectId: string;
    readonly provider: Provider;
    /** Null for the provider's own. */
    readonly baseUrl: string | null;
    /** Undefined when it is not changed. */
    readonly credential: string | undefined;
  },
  { checkUpstreamUrl }: Pick<ApiPorts, "checkUpstreamUrl">,
): Problem | null {
  const { projectId, provider, baseUrl, credential = ANY_CREDENTIAL } = connection;
  const check = baseUrl === null ? null : checkUpstreamUrl(projectId, baseUrl, provider.name);
  if (check?.ok === false) return refusedBaseUrl(check.reason);
  const target = prepareTarget(provider, { baseUrl, credential });
  if (target.kind === "ready") return null;
  if (target.field === "base_url") return refusedBaseUrl(target.problem);
  return problemOfParts("validation_failed", [{ pointer: "/credential", detail: target.problem }]);
}

function refusedBaseUrl(detail: string): Problem {
  return problemOfParts("base_url_refused", [{ pointer: "/base_url", detail }]);
}
