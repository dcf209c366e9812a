import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfResult } from "../../src/core/json/raw-result.ts";
import { RETRY_AFTER_MS_MAX } from "../../src/core/job/retry-after.ts";
import { builtInProviders } from "../support/providers.ts";
import { interpretAnswer, type Interpretation } from "../../src/providers/answer/interpret.ts";

const word = fc.constantFrom("processing", "completed", "failed", "canceled", "expired", "x");
const json = fc.oneof(
  fc.json({ stringUnit: "binary" }),
  fc
    .record(
      {
        status: fc.oneof(word, fc.jsonValue()),
        result: fc.jsonValue(),
        error: fc.jsonValue(),
        created_at: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((body) => JSON.stringify(body)),
);
const body = fc.oneof(
  json.map((text) => Buffer.from(text)),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const status = fc.oneof(
  fc.constantFrom(200, 202, 401, 404, 409, 410, 429, 500, 503),
  fc.integer({ min: 100, max: 599 }),
  fc.double(),
);
const header = fc.constantFrom(
  "retry-after",
  "retry-after-ms",
  "x-ratelimit-reset",
  "content-type",
  "content-encoding",
  "location",
  "__proto__",
);
const headers = fc.dictionary(
  header,
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.nat().map(String),
    fc.array(fc.string()),
    fc.constant(undefined),
  ),
);
const facts = fc.record({
  seenBefore: fc.boolean(),
  ageMs: fc.double(),
  nowMs: fc.integer({ min: 0, max: 8.64e15 }),
});

describe.each([...builtInProviders().values()])("whatever $name answers", (provider) => {
  test("whatever this provider answers means one observation with storable texts and bounded waits", () => {
    fc.assert(
      fc.property(status, headers, body, facts, (code, given, bytes, known) => {
        const observation = interpretAnswer(
          provider,
          { status: code, headers: given, body: bytes },
          known,
        );
        const texts = textsOf(observation);
        expect(texts.every((text) => text.isWellFormed() && !text.includes("\0"))).toBe(true);
        expect(waitOf(observation)).toBeGreaterThanOrEqual(0);
        expect(waitOf(observation)).toBeLessThanOrEqual(RETRY_AFTER_MS_MAX);
        if (observation.kind === "completed") JSON.parse(textOfResult(observation.result));
      }),
      { numRuns: 500 },
    );
  });
});

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function waitOf(observation: Interpretation): number {
  if (observation.kind === "running") return observation.hintMs ?? 0;
  return observation.kind === "retry" ? (observation.retryAfterMs ?? 0) : 0;
}
