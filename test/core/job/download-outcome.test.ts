import { describe, expect, test } from "vitest";
import { decideAfterDownload } from "../../../src/core/job/download-outcome.ts";

const answered = (status: number) => ({ kind: "answered", status }) as const;
const failed = (
  code: "connection_reset" | "response_timeout" | "address_refused" | "body_too_large",
) => ({ kind: "failed", failure: { code, message: "It went wrong" } }) as const;

const first = { attempts: 1, tookMs: 0, brokeOffBefore: false };

describe("a download that brought nothing", () => {
  test.each([202, 404, 408, 429, 500, 503])("a failed download is repeated after %i", (status) => {
    expect(decideAfterDownload(answered(status), first)).toMatchObject({
      kind: "retry",
      afterMs: 1000,
    });
  });

  test.each([206, 301, 400, 401, 403, 410])("a failed download is given up after %i", (status) => {
    expect(decideAfterDownload(answered(status), first)).toEqual({
      kind: "give_up",
      reason: `The link answered ${status}.`,
    });
  });

  test("a failed download is repeated after a network failure, and given up when nothing can change", () => {
    expect(decideAfterDownload(failed("connection_reset"), first).kind).toBe("retry");
    expect(decideAfterDownload(failed("address_refused"), first).kind).toBe("give_up");
    expect(decideAfterDownload(failed("body_too_large"), first).kind).toBe("give_up");
  });

  test("a failed download is repeated five times within about a minute", () => {
    const waits: number[] = [];
    for (let attempts = 1; ; attempts += 1) {
      const step = decideAfterDownload(answered(503), { ...first, attempts });
      if (step.kind === "give_up") break;
      waits.push(step.afterMs);
    }
    expect(waits).toHaveLength(4);
    expect(waits.reduce((sum, ms) => sum + ms)).toBeLessThan(90_000);
  });

  test("a failed download is not repeated when its time is up", () => {
    const slow = { ...first, tookMs: 10 * 60_000 };
    expect(decideAfterDownload(failed("response_timeout"), slow).kind).toBe("give_up");
  });

  test("a failed download says when an earlier one may have used up the link", () => {
    const { reason } = decideAfterDownload(answered(410), {
      ...first,
      attempts: 2,
      brokeOffBefore: true,
    });
    expect(reason).toContain("answered 410");
    expect(reason).toContain("broke off");
  });
});
