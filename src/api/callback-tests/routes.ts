import { jsonAnswer } from "../http/answer.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import type { TestedCallback } from "../../delivery/attempt/test-callback.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts } from "../http/problem.ts";
import { defineRoute, WAITS_FOR_OTHERS_MS } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { callbackTestRequestSchema, callbackTestSchema } from "./schema.ts";
import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { TokenBucket } from "../../lanes/token-bucket.ts";
import type { Clock } from "../../runtime/clock.ts";

const BODY_BYTES_MAX = 16 * 1024;

export function callbackTestRoutes(services: ApiServices): Route[] {
  return [test(services)];
}

function test(services: ApiServices): Route {
  const budget = new CallbackTestBudget(services.limits, services.clock);
  return defineRoute({
    operationId: "testCallback",
    method: "POST",
    path: "/v1/callbacks/test",
    tag: "Callbacks",
    summary: "Try a callback URL",
    description:
      "Sends one signed event, ringback.test, in the same way as callbacks, and returns the " +
      "whole exchange. It is not retried, and nothing is stored.",
    scope: "subscriptions:write",
    body: { schema: callbackTestRequestSchema, bytesMax: BODY_BYTES_MAX },
    callbackField: "callback_url",
    answeredWithinMs: WAITS_FOR_OTHERS_MS,
    success: { status: 200, description: "The exchange.", schema: callbackTestSchema },
    problems: ["callback_url_refused", "too_many_tests"],
    async handle({ caller: { projectId }, body }) {
      const checked = await services.checkCallbackUrl(projectId, body.callback_url);
      if (!checked.ok) {
        const part = { pointer: "/callback_url", detail: checked.reason };
        return { ok: false, problem: problemOfParts("callback_url_refused", [part]) };
      }
      if (!budget.begin(projectId)) {
        return limitRefusal(services.limits, {
          projectId,
          name: "callback_tests_running",
          code: "too_many_tests",
          detail: "Too many callbacks are being tested; try again soon.",
          retryAfterS: 2,
        });
      }
      try {
        const { href: url } = checked.url;
        const { headers = {}, secret = null, signatures = null } = body;
        const tested = await services.delivery.test({
          projectId,
          url,
          headers,
          secret,
          signatures,
        });
        return jsonAnswer(200, testJson(url, tested), { "cache-control": "no-store" });
      } finally {
        budget.end(projectId);
      }
    },
  });
}

function testJson(url: string, { request, response, failure, durationMs }: TestedCallback): string {
  const isTaken = response !== null && response.status >= 200 && response.status <= 299;
  return JSON.stringify({
    object: "callback_test",
    delivered: isTaken,
    request: { method: "POST", url, ...request },
    response: response && {
      status: response.status,
      headers: response.headers,
      body_excerpt: response.body,
      body_truncated: response.isTruncated,
    },
    error: failure,
    duration_ms: Math.round(durationMs),
  });
}

/** For one project on one node. Meant for manual use. */
const TESTS_PER_SECOND = 1;
const TESTS_BURST = 10;

interface Budget {
  readonly bucket: TokenBucket;
  running: number;
}

/**
 * Limits how many callbacks a project may test. A project that tests many takes nothing from the
 * others.
 */
class CallbackTestBudget {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #limits: ProjectLimits;
  readonly #projects = new Map<string, Budget>();

  constructor(limits: ProjectLimits, clock: Pick<Clock, "monotonic">) {
    this.#limits = limits;
    this.#clock = clock;
    limits.measuredBy("callback_tests_running", (id) => this.#projects.get(id)?.running ?? 0);
  }

  /** True when a test may start now; each one that starts must end. */
  begin(projectId: string): boolean {
    const nowMs = this.#clock.monotonic();
    const budget = this.#projects.get(projectId) ?? this.#open(projectId, nowMs);
    const { bucket } = budget;
    if (
      budget.running >= this.#limits.allowed(projectId, "callback_tests_running") ||
      !bucket.has(nowMs)
    )
      return false;
    bucket.take();
    budget.running += 1;
    return true;
  }

  end(projectId: string): void {
    const budget = this.#projects.get(projectId);
    if (budget !== undefined) budget.running -= 1;
  }

  #open(projectId: string, nowMs: number): Budget {
    const bucket = new TokenBucket(TESTS_PER_SECOND, TESTS_BURST, nowMs);
    const budget = { bucket, running: 0 };
    this.#projects.set(projectId, budget);
    return budget;
  }
}
