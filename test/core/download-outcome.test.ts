import { describe, expect, test } from "vitest";
import { decideAfterDownload } from "../../src/core/download-outcome.ts";

const answered = (status: number) => ({ kind: "answered", status }) as const;
const failed = (code: "connection_reset" | "address_refused" | "body_too_large") =>
  ({ kind: "failed", failure: { code, message: "It went wrong" } }) as const;

describe("a download that brought nothing", () => {
  test.each([404, 408, 429, 500, 503])("is tried again after %i", (status) => {
    expect(decideAfterDownload(answered(status), 1, false)).toMatchObject({
      kind: "retry",
      afterMs: 1000,
    });
  });

  test.each([301, 400, 401, 403, 410])("is given up after %i", (status) => {
    expect(decideAfterDownload(answered(status), 1, false)).toEqual({
      kind: "give_up",
      reason: `The link answered ${status}.`,
    });
  });

  test("is tried again when the network failed, and given up when nothing can change", () => {
    expect(decideAfterDownload(failed("connection_reset"), 1, false).kind).toBe("retry");
    expect(decideAfterDownload(failed("address_refused"), 1, false).kind).toBe("give_up");
    expect(decideAfterDownload(failed("body_too_large"), 1, false).kind).toBe("give_up");
  });

  test("is tried five times within about a minute", () => {
    const waits: number[] = [];
    for (let attempt = 1; ; attempt += 1) {
      const step = decideAfterDownload(answered(503), attempt, false);
      if (step.kind === "give_up") break;
      waits.push(step.afterMs);
    }
    expect(waits).toHaveLength(4);
    expect(waits.reduce((sum, ms) => sum + ms)).toBeLessThan(90_000);
  });

  test("says so when an earlier one may have used up the link", () => {
    const { reason } = decideAfterDownload(answered(410), 2, true);
    expect(reason).toContain("answered 410");
    expect(reason).toContain("broke off");
  });
});
