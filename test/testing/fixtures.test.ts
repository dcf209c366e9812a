import { expect, test } from "vitest";
import { EVENT_TYPES } from "../../src/core/delivery/event.ts";
import { OPERATIONAL_EVENT_TYPES } from "../../src/core/delivery/operational-event.ts";
import { EVENT_FIXTURE_TYPES, eventFixture } from "../../src/testing/testing.ts";

test("there is a fixture of every type of event", () => {
  const types = [...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES, "ringback.test"];
  expect([...EVENT_FIXTURE_TYPES].sort()).toEqual(types.sort());
  for (const type of EVENT_FIXTURE_TYPES) {
    expect(JSON.parse(eventFixture(type))).toMatchObject({ type, data: expect.any(Object) });
  }
});

test.each(["job.completed", "ringback.test"] as const)(
  "%s has what a receiver changes that writes JSON again",
  (type) => {
    const body = eventFixture(type);
    for (const text of ["1.10", "12345678901234567890", "\\u00fc", "a/b", "🙂"]) {
      expect(body).toContain(text);
    }
    expect(JSON.stringify(JSON.parse(body))).not.toBe(body);
  },
);

test("members of data can be replaced", () => {
  const event = JSON.parse(eventFixture("job.failed", { job_id: "mine", error: "no" }));
  expect(event).toMatchObject({ data: { job_id: "mine", error: "no", status: "failed" } });
});

test("members that are not replaced keep their digits, and so do those of a JSON text", () => {
  const named = eventFixture("job.completed", { job_id: "mine", metadata: undefined });
  expect(named).toContain(
    '"decimal":1.10,"integer":12345678901234567890,"text":"f\\u00fcr a/b 🙂"',
  );
  expect(JSON.parse(named).data).toMatchObject({ job_id: "mine", status: "completed" });
  expect(JSON.parse(named).data).not.toHaveProperty("metadata");
  const exact = eventFixture("job.completed", '{"result": {"price": 2.50}, "added": 1.0}');
  expect(exact).toContain('"result":{"price": 2.50}');
  expect(exact).toMatch(/"added":1\.0\}\}$/);
  for (const type of EVENT_FIXTURE_TYPES) expect(eventFixture(type, {})).toBe(eventFixture(type));
});
