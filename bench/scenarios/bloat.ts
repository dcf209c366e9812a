import type { Sql } from "postgres";
import { atLeast, figure } from "../figure.ts";
import { LifeLoad } from "../life-load.ts";
import { databaseCpuUsEach, measureGateway, summarize, type DatabaseSample } from "../measure.ts";
import type { Scenario } from "../scenario.ts";

const WARM_UP_MS = 4000;
/** The first part is compared with the last. */
const PARTS = { full: 5, quick: 3 };
const PART_MS = { full: 60_000, quick: 5000 };
const RATIO_MIN = 0.95;

/**
 * `life` while another transaction is open, as of a report or a dump, so that Postgres can't
 * remove any row version that becomes dead after that.
 */
export const bloat: Scenario = {
  name: "bloat",
  title: "whole lives of jobs while a transaction keeps every dead row version",
  async run({ mode, step }) {
    await using load = await LifeLoad.start();
    await using closing = new AsyncDisposableStack();
    const holder = closing.adopt(await load.gateway.openDatabase(), (sql) => sql.end());
    const sql = closing.adopt(await load.gateway.openDatabase(), (open) => open.end());
    await holder`begin isolation level repeatable read`;
    await holder`select count(*) from jobs`;
    closing.defer(async () => void (await holder`rollback`));
    step("warming up");
    load.feed();
    await load.livesWithin(WARM_UP_MS);
    const samples: DatabaseSample[] = [];
    for (let part = 1; part <= PARTS[mode]; part += 1) {
      step(`${PART_MS[mode] / 1000} s, ${part} of ${PARTS[mode]}`);
      const sample = await measureGateway(load.gateway, () => load.livesWithin(PART_MS[mode]));
      samples.push(sample);
    }
    const deadRows = await countDeadRows(sql);
    step("waiting for the rest");
    await load.drain();
    const first = samples.slice(0, 1);
    const last = samples.slice(-1);
    const [jobsFirst, jobsLast] = [summarize(first).perSecond, summarize(last).perSecond];
    return [
      figure("jobs_first", jobsFirst, "jobs/s"),
      figure("jobs_last", jobsLast, "jobs/s"),
      figure("ratio_last_to_first", jobsLast / jobsFirst, "ratio", atLeast(RATIO_MIN)),
      // The gateway knows nothing of dead rows: what its CPU says of both minutes, the machine says.
      figure("cpu_each_first", summarize(first).cpuUsEach ?? Number.NaN, "µs"),
      figure("cpu_each_last", summarize(last).cpuUsEach ?? Number.NaN, "µs"),
      figure("database_cpu_each_first", databaseCpuUsEach(first), "µs"),
      figure("database_cpu_each_last", databaseCpuUsEach(last), "µs"),
      figure("dead_rows", deadRows, "rows"),
    ];
  },
};

async function countDeadRows(sql: Sql): Promise<number> {
  const [row] = await sql<{ dead: number }[]>`
    select sum(n_dead_tup)::float8 as dead from pg_stat_user_tables`;
  return row?.dead ?? Number.NaN;
}
