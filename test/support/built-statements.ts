import { readdirSync } from "node:fs";
import { BUILT_STATEMENTS } from "../../src/store/sql/statement.ts";

const FOLDER = new URL("../../src/store/", import.meta.url);

/** The texts of all statements of the store that are built through Drizzle. */
export async function builtStatements(): Promise<readonly string[]> {
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
  const modules = files.filter((name) => name.endsWith(".ts"));
  await Promise.all(modules.map((name) => import(new URL(name, FOLDER).href)));
  return [...BUILT_STATEMENTS].map((text) => text());
}
