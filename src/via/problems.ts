import type { IncomingMessage } from "node:http";
import type { RequestFailure } from "../core/request-failure.ts";
import type { Lane } from "../lanes/lane.ts";
import type { UpstreamAccess } from "../polling/upstream/access.ts";
import type { InvalidHeader } from "./options.ts";
import type { Problem, Refusal } from "../core/problem.ts";

/** Requests that no API of jobs takes, or that would show a client the credential. */
export function unsupportedProblem({ method, headers }: IncomingMessage): Problem | null {
  const { upgrade } = headers;
  // Some clients offer HTTP/2 with every request, which may be passed over.
  if (upgrade !== undefined && !/^h2c?$/i.test(upgrade.trim())) {
    return {
      code: "upgrade_refused",
      detail: `Upgrades (${upgrade.slice(0, 50)}) are not passed on.`,
    };
  }
  if (method === "TRACE" || method === "TRACK") {
    return { code: "method_not_allowed", detail: `${method} is not passed on.` };
  }
  // A page of an upstream must not be shown as one of this gateway's.
  const destination = headers["sec-fetch-dest"];
  if (destination !== undefined && destination !== "empty") {
    return {
      code: "malformed_request",
      detail: "These addresses are for programs; a browser can't open them.",
    };
  }
  return null;
}

export const NO_KEY =
  "Send a Ringback API key (rb_…) where the provider expects its own, or in the header ringback-key " +
  "beside a key of the provider.";

export const BODY_STALLED = "Nothing more of the body came; nothing was sent upstream.";

export function refused(code: Problem["code"], detail: string): Refusal {
  return { ok: false, problem: { code, detail } };
}

export function invalidHeaders(errors: readonly InvalidHeader[]) {
  const [first] = errors;
  const detail = `${first?.header ?? ""}: ${first?.detail ?? ""}`;
  return { ok: false as const, problem: { code: "invalid_header" as const, detail, errors } };
}

export function tooManyAtOnce(allowed: number): Problem {
  return {
    code: "project_limit_exceeded",
    detail:
      `The project has ${allowed} requests in progress through the gateway, as many as it may. Repeat ` +
      "this one when another has ended, or ask the operator for more.",
    headers: { "retry-after": "1" },
    extensions: { limit: "via_requests", allowed },
  };
}

/** Nothing was sent: the connection's limits, or a refusal of the upstream, held the request back. */
export function busy(
  { pausedUntilMs }: Pick<Lane<unknown>, "pausedUntilMs">,
  { nowMs, waitedMs }: { readonly nowMs: number; readonly waitedMs: number },
): Problem {
  const waitMs = pausedUntilMs === Infinity ? 0 : pausedUntilMs - nowMs;
  return {
    code: "upstream_busy",
    detail: `Nothing was sent: the connection is at its limits, and no turn came within ${waitedMs / 1000} s.`,
    headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) },
  };
}

export function problemOfFailure(
  { code, message }: RequestFailure,
  access: UpstreamAccess,
): Problem {
  const isLate = code === "response_timeout" || code === "connect_timeout";
  return {
    code: isLate ? "upstream_timeout" : "upstream_failed",
    detail: `${code}: ${access.redactText(message)}`,
  };
}
