import type { Database } from "./database.ts";

/** Runs `work` in one transaction, which takes the place of the database in everything that it calls. */
export function withinTransaction<T>(
  database: Database,
  name: string,
  work: (within: Database) => Promise<T>,
): Promise<T> {
  return database.transaction(name, (sql) =>
    work({
      run: (_name, statement) => statement(sql),
      transaction: (_name, statements) => statements(sql),
    }),
  );
}
