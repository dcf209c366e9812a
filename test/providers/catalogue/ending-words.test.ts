import { describe, expect, test } from "vitest";
import { splitPointer, valueAt } from "../../../src/providers/language/json-pointer.ts";
import { ALL_FIXTURES } from "./all-fixtures.ts";
import type { AnswerFixture, ProviderFixtures } from "./fixture.ts";
import { explainFixture, targetOf } from "./read-fixture.ts";

const FAILED = ["failed", "failure", "error", "errored"];
const TIMED_OUT = ["timed_out", "timed-out", "timed out", "timedout", "timeout"];
const CANCELED = ["canceled", "cancelled"];
const ABORTED = ["aborted", "stopped", "terminated", "killed"];

/** Spellings that mean one and the same ending, wherever an upstream has one of them. */
const FAMILIES = [
  ["completed", "complete", "succeeded", "success", "successful", "done", "finished"],
  [...FAILED, ...TIMED_OUT],
  CANCELED,
];

/** Those that say it by a number, a flag, HTTP's status, a condition or one word for all endings. */
const WITHOUT_WORDS = [
  "anthropic-batch",
  "dbt-cloud",
  "google-operation",
  "kubernetes-job",
  "snowflake",
];

interface Word {
  readonly fixture: AnswerFixture;
  readonly pointer: string;
  readonly word: string;
  readonly spellings: readonly string[];
}

/** The ending words of an answer, where the rule that decided on it looks for them. */
function wordsOf(of: ProviderFixtures, fixture: AnswerFixture): Word[] {
  const { decided_by: decidedBy } = explainFixture(of, fixture);
  const { rules } = targetOf(of).provider.definition;
  const rule = rules[Number(decidedBy?.replace("/rules/", ""))];
  if (decidedBy === null || rule === undefined || rule.observe === "running") return [];
  return rule.all.flatMap(({ pointer, eq, in: oneOf }) => {
    const word = valueAt(fixture.body, splitPointer(pointer));
    // TERMINATED is a stage of every run at Databricks; how it ended is another word.
    if (pointer === "/state/life_cycle_state") return [];
    if ((eq ?? oneOf) === undefined || typeof word !== "string") return [];
    const folded = word.toLowerCase();
    const own = FAMILIES.find((family) => family.includes(folded));
    // An API whose jobs are aborted may as well say that they were canceled, but not the other way.
    const spellings = own ?? (ABORTED.includes(folded) ? [...ABORTED, ...CANCELED] : null);
    return spellings === null ? [] : [{ fixture, pointer, word, spellings }];
  });
}

function respelled(body: unknown, pointer: string, word: string): unknown {
  const copy: unknown = structuredClone(body);
  const tokens = splitPointer(pointer);
  const parent = valueAt(copy, tokens.slice(0, -1));
  if (typeof parent !== "object" || parent === null) throw new Error(`No ${pointer}`);
  Object.assign(parent, { [tokens.at(-1) ?? ""]: word });
  return copy;
}

function asWritten(word: string): readonly string[] {
  return [word, word.toUpperCase(), word.charAt(0).toUpperCase() + word.slice(1), ` ${word} `];
}

const endings = ALL_FIXTURES.map((fixtures: ProviderFixtures) => ({
  fixtures,
  provider: fixtures.provider,
  found: Object.values(fixtures.answers).flatMap((fixture) => wordsOf(fixtures, fixture)),
}));

describe.each(endings.filter(({ found }) => found.length > 0))(
  "$provider",
  ({ fixtures, found }) => {
    test.each(found)("this provider reads every spelling of $word at $pointer alike", (one) => {
      const { fixture, pointer, spellings } = one;
      const kindOf = (word: string): string => {
        const body = respelled(fixture.body, pointer, word);
        return explainFixture(fixtures, { ...fixture, body }).observation.kind;
      };
      const { kind } = explainFixture(fixtures, fixture).observation;
      const read = spellings.flatMap(asWritten).map((word) => `${word}: ${kindOf(word)}`);
      expect(read).toStrictEqual(spellings.flatMap(asWritten).map((word) => `${word}: ${kind}`));
    });
  },
);

test("every provider that ends jobs by a word is tested with all spellings", () => {
  const without = endings.filter(({ found }) => found.length === 0);
  expect(without.map(({ provider }) => provider).sort()).toStrictEqual(WITHOUT_WORDS);
});

test.each(["action_required", "Requires_Action", "waiting", "paused", "blocked"])(
  "a run on GitHub that waits for a person has not ended: %s",
  (conclusion) => {
    const github = ALL_FIXTURES.find(({ provider }) => provider === "github-actions");
    if (github === undefined) throw new Error("no github-actions");
    const body = { status: "completed", conclusion };
    const { observation } = explainFixture(github, { body, means: { running: "pending" } });
    expect(observation).toMatchObject({ kind: "running", phase: "pending" });
  },
);
