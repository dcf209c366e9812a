import { expect, test } from "vitest";
import { testEventBody } from "../../../src/core/delivery/event.ts";

test("a test event reads like that of a completed job and does not survive being written again", () => {
  const body = testEventBody(0);
  const event = JSON.parse(body) as { type: string; data: Record<string, unknown> };
  expect(event.type).toBe("ringback.test");
  expect(event.data).toMatchObject({ job_id: "ringback-test", status: "completed", metadata: {} });
  expect(JSON.stringify(event)).not.toBe(body);
  for (const text of ["1.10", "12345678901234567890", String.raw`\u00fc`, "/", "🙂"]) {
    expect(body).toContain(text);
  }
});
