import { expect, test } from "vitest";
import type { UpstreamResponse } from "../../../src/providers/language/read-body.ts";
import { interpretAnswer } from "../../../src/providers/answer/interpret.ts";
import { interpretResult } from "../../../src/providers/answer/interpret-result.ts";
import { builtInProviders } from "../../support/providers.ts";

/*
 * Between a gateway and an API there are balancers, proxies and firewalls, which answer in the API's
 * place with any status. Their pages say nothing about the job.
 */

const ENDINGS: readonly string[] = ["completed", "failed", "canceled", "expired", "result_wanted"];
const STATUSES = Array.from({ length: 200 }, (_, index) => 400 + index);
const PAGES: readonly Pick<UpstreamResponse, "headers" | "body">[] = [
  { headers: { "content-type": "text/html" }, body: Buffer.from("<html>Bad Request</html>") },
  { headers: { "content-type": "text/plain" }, body: Buffer.from("no healthy upstream") },
  { headers: {}, body: Buffer.alloc(0) },
];
const NOW_MS = Date.UTC(2026, 0, 1);
const TIMES = { createdAt: null, updatedAt: null };

test.each([...builtInProviders().values()])(
  "a proxy's page with 200 is neither a status nor a result of $name",
  (provider) => {
    const [page = { headers: {}, body: Buffer.alloc(0) }] = PAGES;
    const answer = { status: 200, ...page };
    const facts = { seenBefore: true, ageMs: 3_600_000, nowMs: NOW_MS };
    expect(ENDINGS).not.toContain(interpretAnswer(provider, answer, facts).kind);
    if (provider.answers.result.kind !== "request") return;
    const result = interpretResult(provider, answer, { nowMs: NOW_MS, times: TIMES });
    expect(ENDINGS).not.toContain(result.kind);
  },
);

test.each([...builtInProviders().values()])(
  "a proxy's page in place of an answer ends no job of $name",
  (provider) => {
    const marks = [null, ...provider.definition.rules.map(({ remember }) => remember ?? null)];
    const ended: unknown[] = [];
    for (const page of PAGES) {
      for (const status of STATUSES) {
        const answer = { status, ...page };
        const meanings = [...new Set(marks)].map((remembered) =>
          interpretAnswer(provider, answer, {
            seenBefore: true,
            ageMs: 3_600_000,
            nowMs: NOW_MS,
            remembered,
          }),
        );
        const result =
          provider.answers.result.kind === "request"
            ? [interpretResult(provider, answer, { nowMs: NOW_MS, times: TIMES, fallback: "null" })]
            : [];
        const found = [...meanings, ...result].filter(({ kind }) => ENDINGS.includes(kind));
        if (found.length > 0) ended.push({ status, found });
      }
    }
    expect(ended).toEqual([]);
  },
);
