import { describe, expect, test } from "vitest";
import { buildCancelRequest, buildStatusRequest } from "../../../src/providers/request/build.ts";
import { builtInProviders } from "../../support/providers.ts";
import type { AnswerExplanation } from "../../../src/providers/trial/explain.ts";
import { verdictOfHttp } from "../../../src/providers/answer/interpret.ts";
import { ALL_FIXTURES } from "./all-fixtures.ts";
import type { ProviderFixtures } from "./fixture.ts";
import {
  explainFixture,
  explainResultFixture,
  FIXTURE_NOW_MS,
  jobOf,
  lineOf,
  meaningOf,
  targetOf,
} from "./read-fixture.ts";

const FACTS = { nowMs: FIXTURE_NOW_MS, nextUrl: null, etag: null, mayLongPoll: false };

describe.each(ALL_FIXTURES)("$provider", (fixtures) => {
  const { requests, answers, results = {} } = fixtures;

  test("this provider is polled as its API requires", () => {
    const asked = buildStatusRequest(targetOf(fixtures), jobOf(fixtures), FACTS);
    if (asked.kind === "refused") throw new Error(asked.problem);
    expect(lineOf(asked)).toBe(requests.status);
    expect(asked.headers).toMatchObject(requests.headers);
    expect(asked.body === null ? undefined : JSON.parse(asked.body)).toStrictEqual(requests.body);
    const canceled = buildCancelRequest(targetOf(fixtures), jobOf(fixtures), FIXTURE_NOW_MS);
    expect(canceled === null ? undefined : lineOf(canceled)).toBe(requests.cancel);
  });

  test.each(Object.entries(answers))(
    "this provider reads its documented answer: %s",
    (_title, fixture) => {
      const { observation } = explainFixture(fixtures, fixture);
      expect(meaningOf(fixtures, observation)).toStrictEqual(fixture.means);
      if (fixture.times === undefined || !("times" in observation)) return;
      const { createdAt, updatedAt } = observation.times;
      expect([createdAt, updatedAt]).toStrictEqual(fixture.times);
    },
  );

  test.for(Object.entries(results))("this provider's result is %s", ([_title, fixture]) => {
    const { observation } = explainResultFixture(fixtures, fixture);
    expect(meaningOf(fixtures, observation)).toStrictEqual(fixture.means);
  });

  test("this provider has an answer for every rule, and for undocumented ones", () => {
    const explained = Object.values(answers).map((fixture) => explainFixture(fixtures, fixture));
    const second = Object.values(results).map((one) => explainResultFixture(fixtures, one));
    const { rules, result } = targetOf(fixtures).provider.definition;
    const ruledBy = [...explained, ...second].map(({ decided_by }) => decided_by);
    const resultRules = result.kind === "request" ? result.rules : [];
    const all = [
      ...rules.map((_rule, index) => `/rules/${index}`),
      ...resultRules.map((_rule, index) => `/result/rules/${index}`),
    ];
    expect(all.filter((rule) => !ruledBy.includes(rule))).toStrictEqual([]);
    const told = new Set([...explained, ...second].map(verdictIn));
    // A batch that ended may have no failure but those of its requests.
    const failing = ["failed", "canceled", "expired"].filter((verdict) => told.has(verdict));
    expect(failing).not.toStrictEqual([]);
    const others = ["running", "completed", "credential_rejected", "not_found", "rate_limited"];
    expect(others.filter((verdict) => !told.has(verdict))).toStrictEqual([]);
    expect(second.length > 0).toBe(result.kind === "request");
  });
});

/** The verdict on an answer, whatever follows from it. */
function verdictIn({ http_status: status, rules, decided_by }: AnswerExplanation): string {
  const rule = rules.find((one) => one.rule === decided_by);
  return rule?.observe ?? verdictOfHttp(status).observe;
}

test("every provider that comes with the program has fixtures, once", () => {
  const names = ALL_FIXTURES.map(({ provider }: ProviderFixtures) => provider);
  expect(names.sort()).toStrictEqual([...builtInProviders().keys()].sort());
});
