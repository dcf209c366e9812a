import { expect, test } from "vitest";
import type { LaneVerdict } from "../../src/core/job/job.ts";
import { LaneTurn } from "../../src/via/lane-turns.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const WAITS = { rateLimitResetHeaders: ["x-ratelimit-reset"], waitMsMax: 3_600_000 };

test.each<[headers: Record<string, string>, retryAfterMs: number | null]>([
  [{ "retry-after": "4" }, 4000],
  [{ "retry-after": `${NOW_MS / 1000 + 4}` }, 4000],
  [{ "x-ratelimit-reset": `${NOW_MS / 1000 + 4}000000000` }, 4000],
  [{ "x-ratelimit-reset": "4s" }, 4000],
  [{ ratelimit: "limit=100, remaining=0, reset=4" }, 4000],
  [{ "retry-after": "20000" }, 3_600_000],
  [{ "retry-after": "99999999" }, null],
  [{}, null],
])("a 429 to a request through the gateway is read like one to a poll: %j", (headers, waitMs) => {
  const verdicts: LaneVerdict[] = [];
  const turn = new LaneTurn((verdict) => void verdicts.push(verdict), WAITS);
  turn.answered({ status: 429, statusText: "", headers, rawHeaders: [] }, NOW_MS);
  expect(verdicts).toEqual([{ kind: "rate_limited", retryAfterMs: waitMs }]);
});
