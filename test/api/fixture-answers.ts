import type { NodeState } from "../../src/core/readiness.ts";
import type { TestedCallback } from "../../src/delivery/attempt/test-callback.ts";
import { signingKey } from "../../src/delivery/attempt/sign.ts";
import type { MessageOptions } from "../../src/delivery/attempt/signed-message.ts";
import type { SecretBox } from "../../src/runtime/secrets/secret-box.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
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

/** Every project signs with one secret; a result above 100 bytes goes by reference. */
export function messagePorts(secretBox: SecretBox): MessageOptions {
  return {
    secretBox,
    inlineResultBytesMax: 100,
    userAgent: "Ringback/1.2.3",
    resultLinks: {
      urlOf: (eventId) => `https://ringback.example.com/v1/events/${eventId}/result`,
    },
    settings: {
      of: () => ({
        retryScheduleMs: [],
        signatures: ["v1"],
        limits: { concurrency: 1, requestsPerSecond: null, burst: 1 },
      }),
    },
    signingKeys: { of: async () => [signingKey("v1", SIGNING_SECRET)] },
  };
}
