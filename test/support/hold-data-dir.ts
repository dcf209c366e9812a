/*
 * A process that holds an embedded Postgres, as Ringback does, for tests to kill.
 * `node hold-data-dir.ts <dataDir> [<uid>]`: prints one JSON line per thing that happens.
 */
import postgres from "postgres";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { quietLog } from "./quiet-log.ts";

export type HolderReport =
  | { readonly kind: "up"; readonly url: string; readonly takenOver: boolean }
  | { readonly kind: "failed"; readonly message: string }
  /** The database's last response after Ctrl-C. */
  | { readonly kind: "interrupted"; readonly answer: unknown };

function report(what: HolderReport): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

const [, , dataDir = "", uid] = process.argv;
if (uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}
try {
  const held = await startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
  const sql = postgres(held.url, { max: 1 });
  process.on("SIGINT", () => {
    void sql`select 1 as one`.then((rows) => report({ kind: "interrupted", answer: rows[0] }));
  });
  // Keeps the process, too: the query's connection and the guard do.
  await sql`select 1`;
  report({ kind: "up", url: held.url, takenOver: held.takenOver });
} catch (error) {
  report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
}
