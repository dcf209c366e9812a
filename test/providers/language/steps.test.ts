import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { interpretAnswer } from "../../../src/providers/answer/interpret.ts";
import { Steps } from "../../../src/providers/language/steps.ts";
import { tryAnswer } from "../../../src/providers/trial/trial.ts";
import { ALL_FIXTURES } from "../catalogue/all-fixtures.ts";
import { explainFixture, explainResultFixture } from "../catalogue/read-fixture.ts";
import { exampleProvider } from "../example-provider.ts";

type Rules = ProviderDefinitionSource["rules"];

const FACTS = { seenBefore: true, ageMs: 10_000, nowMs: Date.parse("2026-01-01T00:00:00Z") };
const DEEP = "/a".repeat(19);

function times<Value>(count: number, make: (index: number) => Value): Value[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** As many rules of as many conditions as a definition may have; none of them holds. */
function fullRules(condition: (index: number) => object, rules = 200, conditions = 10): Rules {
  return times(rules, (rule) => ({
    all: times(conditions, (at) => ({ pointer: "/x", ...condition(rule * conditions + at) })),
    observe: "running",
  })) as Rules;
}

/** A value 19 levels deep. */
function deep(value: unknown): unknown {
  return times(19, () => "a").reduce<unknown>((inner, key) => ({ [key]: inner }), value);
}

function read(changes: Partial<ProviderDefinitionSource>, body: string | object) {
  const provider = exampleProvider(changes);
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const answer = { status: 200, headers: {}, body: bytes };
  const steps = new Steps(bytes.length);
  return {
    steps,
    bytes,
    provider,
    answer,
    meaning: interpretAnswer(provider, answer, FACTS, steps),
  };
}

/** The most that a definition and an answer of 256 KiB can ask for, in each way that is known. */
const WORST: readonly (readonly [string, Partial<ProviderDefinitionSource>, string | object])[] = [
  [
    "elements that are looked through, deep in each of them",
    {
      rules: fullRules(() => ({ some: times(10, () => ({ pointer: DEEP, eq: "no" })) }), 10, 1),
    },
    { x: times(1000, () => deep("yes")) },
  ],
  [
    "texts that are searched, each place compared with nearly the whole text wanted",
    { rules: fullRules((at) => ({ contains: "a".repeat(480) + at }), 10) },
    { x: `${"a".repeat(480)}b`.repeat(20) },
  ],
  [
    "texts whose case is changed",
    { rules: fullRules((at) => ({ eq: `no ${at}`, ignore_case: true }), 180) },
    { x: "É".repeat(1500) },
  ],
  [
    "numbers of many digits, compared with others of the same value",
    {
      rules: fullRules(
        () => ({ in: times(20, (at) => JSON.rawJSON(`1.${"0".repeat(20 + at)}1`)) }),
        5,
      ),
    },
    `{"x": 1.${"0".repeat(200_000)}}`,
  ],
  [
    "places that are cut out of a long text",
    {
      rules: [{ observe: "running" }],
      extract: {
        status: [],
        progress: Object.fromEntries(times(20, (at) => [`part ${at}`, `/p/${at}`])),
        error: [],
      },
    },
    { p: times(20, () => "a"), rest: "\n".repeat(120_000) },
  ],
];

describe("an answer that takes too many steps to read", () => {
  test.each(WORST)(
    "an answer that takes too many steps is not read to the end: %s",
    (_way, changes, body) => {
      const { steps, bytes, meaning } = read(changes, body);
      expect(bytes.length).toBeLessThanOrEqual(256 * 1024);
      expect(steps.isExceeded).toBe(true);
      // Only the last step that was started may exceed the limit.
      expect(steps.used).toBeLessThanOrEqual(steps.max + 80_000);
      expect(meaning).toMatchObject({
        kind: "retry",
        cause: "unreadable_answer",
        reason: expect.stringContaining(
          `the definition example takes more than ${steps.max} steps`,
        ),
      });
    },
  );

  test("objects with many keys take few steps, because one lookup serves all conditions", () => {
    const keys = Object.fromEntries(times(900, (key) => [`k${key}`, null]));
    const { steps, meaning } = read(
      { rules: fullRules(() => ({ empty: false }), 150) },
      { x: keys },
    );
    expect(meaning).toMatchObject({ kind: "retry", cause: "unusable_answer" });
    // Each of them takes 4, and is tried a second time without regard to case.
    expect(steps.used).toBeLessThan(2 * 150 * 10 * 4 + 2000);
  });

  test("a trial shows an answer that takes too many steps, with their number", () => {
    const [, changes, body] = WORST[0] ?? ["", {}, ""];
    const { provider, answer, steps } = read(changes, body);
    const trial = tryAnswer(provider, "status", answer, FACTS);
    expect(trial.steps).toEqual({ used: steps.used, max: steps.max });
    expect(trial.observation).toMatchObject({ cause: "unreadable_answer" });
    expect(trial.rules.at(-1)).toMatchObject({ outcome: "not_tried" });
    expect(trial.decided_by).toBeNull();
  });

  test("the limit of steps leaves room for real definitions", () => {
    for (const fixtures of ALL_FIXTURES) {
      const answers = Object.values(fixtures.answers).map((one) => explainFixture(fixtures, one));
      const results = Object.values(fixtures.results ?? {});
      const explained = [...answers, ...results.map((one) => explainResultFixture(fixtures, one))];
      for (const { steps } of explained) expect(steps.used).toBeLessThan(steps.max / 50);
    }
    const some = times(5, (at) => ({ pointer: `/state/name`, eq: `state ${at}` }));
    const { steps } = read(
      {
        rules: [
          ...times(3, () => ({ all: [{ pointer: "/x", some }], observe: "failed" as const })),
        ],
      },
      { x: times(1000, (at) => ({ state: { name: `state ${at}` } })), status: "running" },
    );
    expect(steps.isExceeded).toBe(false);
  });
});

const pointer = fc.constantFrom("", "/x", "/x/0", "/y", "/x/0/a/a", DEEP);
const text = fc.constantFrom("a", "a".repeat(400), "É".repeat(100), "0");
const tests = {
  pointer,
  eq: fc.oneof(text, fc.integer(), fc.constant(null)),
  in: fc.array(fc.oneof(text, fc.integer()), { minLength: 1, maxLength: 100 }),
  not_in: fc.array(text, { minLength: 1, maxLength: 20 }),
  empty: fc.boolean(),
  contains: text,
  ignore_case: fc.boolean(),
};
const elementTest = fc.record(tests, { requiredKeys: ["pointer", "eq"] });
const condition = fc.record(
  { ...tests, some: fc.array(elementTest, { minLength: 1, maxLength: 3 }) },
  { requiredKeys: ["pointer", "eq"] },
);
const value = fc.oneof(
  text,
  fc.integer(),
  fc.constant("a".repeat(20_000)),
  fc.integer({ min: 1, max: 1500 }).map((count) => times(count, (at) => ({ a: { a: at } }))),
  fc
    .integer({ min: 1, max: 5000 })
    .map((count) => Object.fromEntries(times(count, (at) => [`k${at}`, ""]))),
);

test("whatever the definition and the answer, the steps are bounded by the answer's length", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(condition, { minLength: 1, maxLength: 5 }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.record({ x: value, y: value, status: text, error: value }),
      (all, body) => {
        const rules = all.map((conditions) => ({ all: conditions, observe: "failed" }));
        const { steps, meaning } = read({ rules: rules as Rules }, body);
        expect(steps.used).toBeLessThanOrEqual(steps.max + 80_000);
        const isUnread = meaning.kind === "retry" && meaning.cause === "unreadable_answer";
        expect(isUnread).toBe(steps.isExceeded);
      },
    ),
    { numRuns: 40 },
  );
});
