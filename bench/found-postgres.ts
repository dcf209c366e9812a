import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findPostmaster } from "../src/embedded-postgres/postmaster.ts";
import { until } from "./until.ts";

/** A gateway's embedded Postgres, as the benchmark looks at it from outside. */
export interface FoundPostgres {
  /** With the password in it. */
  readonly url: string;
  /** The postmaster's; `cpuMsOfTree` counts its backends too. */
  readonly pid: number;
}

/** @throws when none runs in the data directory */
export async function findPostgres(dataDir: string): Promise<FoundPostgres> {
  const directory = join(dataDir, "postgres");
  const postmaster = await findPostmaster(join(directory, "data"));
  if (postmaster.kind !== "running") throw new Error("The gateway's Postgres does not run.");
  const password = (await readFile(join(directory, "password"), "utf8")).trim();
  return {
    url: `postgres://ringback:${password}@127.0.0.1:${postmaster.port}/ringback`,
    pid: postmaster.pid,
  };
}

/** Stops what a gateway that had to be killed left running. Its data is not needed any more. */
export async function stopLeftBehindPostgres(dataDir: string): Promise<void> {
  const data = join(dataDir, "postgres", "data");
  const postmaster = await findPostmaster(data);
  if (postmaster.kind !== "running") return;
  process.kill(postmaster.pid, "SIGQUIT");
  await until("Postgres has stopped", async () => (await findPostmaster(data)).kind !== "running");
}
