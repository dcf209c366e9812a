import type { ProviderVersion } from "../../providers/compile/provider-version.ts";
import { isoTime } from "../http/iso-time.ts";

/** A provider as in its list. */
export function providerView({ provider: of, source, version }: ProviderVersion): object {
  return {
    object: "provider",
    name: of.name,
    title: of.title,
    source,
    version: version?.number ?? null,
    version_created_at: isoTime(version?.createdAtMs ?? null),
    documentation_url: of.definition.documentation_url ?? null,
    base_url: of.baseUrl,
    params: of.paramNames,
    required_params: of.requiredParams,
    supports_cancel: of.supportsCancel,
    default_deadline_s: of.deadlineMs / 1000,
    deadline_s_max: of.deadlineMsMax / 1000,
    limits: {
      concurrency: of.limits.concurrency,
      requests_per_second: of.limits.requestsPerSecond,
      burst: of.limits.burst,
    },
  };
}

/** The same with its definition, to be read, copied and changed. */
export function providerWithDefinition(known: ProviderVersion): object {
  return { ...providerView(known), definition: known.written };
}
