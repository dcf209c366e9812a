import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../../src/store/db/database.ts";
import { batchStatement, rowSource } from "../../../src/store/sql/row-source.ts";
import { openTestDatabase } from "../../support/database.ts";

let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});

afterAll(() => drop());

const SOURCE = rowSource("given", {
  position: "integer",
  words: "text",
  small: "smallint",
  large: "bigint",
  real: "float8",
  flag: "boolean",
  key: "uuid",
});

const READ = batchStatement(
  SOURCE,
  (rows) => `select position, words, small, large::float8 as large, real, flag, key from ${rows}`,
  "position",
);

const anyRow = fc.record({
  // Postgres stores no NUL, and half a surrogate pair is no character.
  words: fc.option(
    fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "").toWellFormed()),
  ),
  small: fc.option(fc.integer({ min: -32_768, max: 32_767 })),
  large: fc.option(fc.maxSafeInteger()),
  // Written as text, -0 is 0.
  real: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((real) => real + 0)),
  flag: fc.option(fc.boolean()),
  key: fc.option(fc.uuid()),
});

const NO_VALUES = { words: null, small: null, large: null, real: null, flag: null, key: null };

test("whatever the values, Postgres reads exactly the rows that were given", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRow, { maxLength: 20 }), async (values) => {
      const rows = values.map((value, position) => ({ position, ...value }));
      const read = await database.run("read rows", (sql) =>
        sql.unsafe(
          `select position, words, small, large::float8 as large, real, flag, key
          from ${SOURCE.sql} order by position`,
          SOURCE.parameters(rows),
          { prepare: true },
        ),
      );
      expect([...read]).toEqual(rows);
    }),
    { numRuns: 200 },
  );
});

test("a batch of one row is read as it was given, without a function or a sort", async () => {
  await fc.assert(
    fc.asyncProperty(anyRow, async (values) => {
      const row = { position: 0, ...values };
      const { text, parameters } = READ([row]);
      const run = { prepare: true };
      const read = await database.run("read row", (sql) => sql.unsafe(text, parameters, run));
      expect([...read]).toEqual([row]);
    }),
    { numRuns: 100 },
  );
  const { text } = READ([{ ...NO_VALUES, position: 0 }]);
  expect(text).not.toMatch(/unnest|order by/);
});

test("a batch of several rows, or of none, is read in the order that was asked for", async () => {
  const at = (position: number) => Object.assign({ position }, NO_VALUES);
  const rows = [at(2), at(0), at(1)];
  const read = (batch: typeof rows): Promise<readonly { position: number }[]> => {
    const { text, parameters } = READ(batch);
    return database.run("read rows", (sql) => sql.unsafe(text, parameters));
  };
  expect((await read(rows)).map(({ position }) => position)).toEqual([0, 1, 2]);
  expect(await read([])).toHaveLength(0);
});

test.each(['"', "\\", '\\"', "{}", "NULL", "", ",", "'; drop table jobs; --", "𝒳\n\t"])(
  "the text %j stays what it is",
  async (words) => {
    const source = rowSource("given", { words: "text" });
    const read = await database.run("read text", (sql) =>
      sql.unsafe(`select words from ${source.sql}`, source.parameters([{ words }])),
    );
    expect([...read]).toEqual([{ words }]);
  },
);
