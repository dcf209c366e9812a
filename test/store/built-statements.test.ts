import { expect, test } from "vitest";
import { builtStatements } from "../support/built-statements.ts";
import { openTestDatabase } from "../support/database.ts";

test("Postgres understands every statement that is built through Drizzle, and the type of each parameter", async () => {
  // Settings can't be prepared with SQL, and Citus's tables are not here.
  const texts = (await builtStatements()).filter((text) => !/^set local|\bpg_dist_/.test(text));
  expect(texts.length).toBeGreaterThan(20);
  const { database, drop } = await openTestDatabase();
  try {
    const faults: string[] = [];
    await database.run("prepare", async (sql) => {
      for (const [index, text] of texts.entries()) {
        await sql
          .unsafe(`prepare built_${index} as ${text}`)
          .catch((error: unknown) => void faults.push(`${String(error)}: ${text}`));
      }
    });
    expect(faults).toEqual([]);
  } finally {
    await drop();
  }
});
