import type { NodeState } from "../../src/core/readiness.ts";
import type { TestedCallback } from "../../src/api/context.ts";
import type { UrlCheck } from "../../src/outbound/guard/url-check.ts";

/** Takes any https URL, and takes note of it. */
export function checkUrl(text: string, calls: unknown[][]): UrlCheck {
  calls.push(["checkUrl", text]);
  const url = URL.parse(text);
  if (url === null) return { ok: false, reason: "not a URL; it must look like https://host/path" };
  if (url.protocol !== "https:") return { ok: false, reason: "use https" };
  return { ok: true, url };
}

/** A callback that was tried and taken. */
export const TESTED: TestedCallback = {
  request: { headers: { "webhook-id": "msg_1" }, body: "{}" },
  response: {
    status: 204,
    headers: { "x-a": "1", "set-cookie": ["a=1", "b=2"] },
    body: "fine",
    isTruncated: false,
  },
  failure: null,
  durationMs: 12.4,
};

export const READY: NodeState = {
  isStopping: false,
  database: "ok",
  hasLease: true,
  oldestUnrecordedEventMs: 0,
};
