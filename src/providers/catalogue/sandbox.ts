import type { ProviderDefinitionSource } from "../definition/definition.ts";
import { pulse } from "./documents/pulse.ts";

/**
 * The gateway's own fake job API, which responds as Pulse does. The base URL is the default
 * listener's; a gateway replaces it by its own.
 */
export const sandbox = {
  name: "sandbox",
  title: "Sandbox",
  base_url: "http://127.0.0.1:8080",
  auth: pulse.auth,
  status: { path: "/sandbox/jobs/{job_id}" },
  cancel: { method: "DELETE", path: "/sandbox/jobs/{job_id}" },
  rules: pulse.rules,
  extract: pulse.extract,
  result: pulse.result,
  schedule: { kind: "exponential", initial_s: 0.5, factor: 1.5, cap_s: 5 },
  limits: pulse.limits,
  not_found_grace_s: pulse.not_found_grace_s,
  deadline_s: pulse.deadline_s,
  deadline_s_max: pulse.deadline_s_max,
  rate_limit_reset_headers: pulse.rate_limit_reset_headers,
} as const satisfies ProviderDefinitionSource;
