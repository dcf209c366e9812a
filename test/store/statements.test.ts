import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { builtStatements } from "../support/built-statements.ts";

/*
 * Citus refuses functions that are not immutable in ON CONFLICT … DO UPDATE, CASE, COALESCE and
 * RETURNING. No Citus is here to say so, so the source is searched for those that this schema invites.
 */

const FOLDER = new URL("../../src/store/", import.meta.url);
const SOURCES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), "utf8") }));

/** SQL statements stand in template strings of their own. */
function statementsOf(text: string): string[] {
  return [...text.matchAll(/`([^`]*\b(?:insert into|update|delete from)\b[^`]*)`/g)].map(
    ([, statement = ""]) => statement,
  );
}

const WRITES = /\b(?:insert into|update|delete from)\b/;

const CLAUSES = [
  { name: "on conflict", pattern: /\bdo update\b[^]*?(?=\breturning\b|\n\)|$)/g },
  { name: "returning", pattern: /\breturning\b[^]*?(?=\n\)|$)/g },
  { name: "case", pattern: /\bcase\b[^]*?\bend\b/g },
  { name: "coalesce", pattern: /\bcoalesce\([^()]*(?:\([^()]*\)[^()]*)*\)/g },
];

/** Stable, and easily written: time of the transaction, times and their zones, JSON of a row. */
const STABLE = [
  /\b(?:now|clock_timestamp|statement_timestamp)\(\)/,
  /\bcurrent_timestamp\b/,
  /\bdate_part\('\w+', (?![^()]* - )/,
  /\bextract\(/,
  /\b(?:to_json|row_to_json|array_to_json)\(/,
  // A time with a zone and an interval: how long a day is depends on the zone.
  /(?:_at"?|\)) [+-] interval/,
];

function faultsOf(statement: string): string[] {
  return CLAUSES.flatMap(({ name, pattern }) =>
    [...statement.matchAll(pattern)].flatMap(([clause]) =>
      STABLE.filter((stable) => stable.test(clause)).map((stable) => `${name}: ${stable.source}`),
    ),
  );
}

test.each(SOURCES)("$name gives Citus no reason to refuse a statement", ({ text }) => {
  expect(statementsOf(text).flatMap(faultsOf)).toEqual([]);
});

test("statements that are built through Drizzle give Citus no reason to refuse them", async () => {
  const writing = (await builtStatements()).filter((text) => WRITES.test(text));
  expect(writing.length).toBeGreaterThan(20);
  expect(writing.flatMap(faultsOf)).toEqual([]);
});

test("the search finds what it is for", () => {
  const statements = [
    "insert into a values (1) on conflict (id) do update set at = now()",
    "insert into a values (1) on conflict (id) do update set x = 1 where a.made_at < excluded.made_at - interval '1 s'",
    "update a set b = 1 returning date_part('epoch', at)",
    "update a set b = case when c then now() end",
    "update a set b = coalesce(b, now())",
    'insert into "a" ("b") values ($1) on conflict ("b") do update set "b" = 1 where "a"."made_at" - interval \'1 s\' > excluded."made_at"',
    'update "a" set "b" = 1 returning date_part(\'epoch\', "a"."at")',
  ];
  for (const statement of statements) expect(faultsOf(statement)).not.toEqual([]);
});
