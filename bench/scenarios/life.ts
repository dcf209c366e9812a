import {
  countRowsWritten,
  countStatements,
  restartCountingStatements,
} from "../database-counters.ts";
import { atMost, figure } from "../figure.ts";
import { LifeLoad } from "../life-load.ts";
import {
  databaseCpuUsEach,
  measureGateway,
  median,
  summarize,
  type DatabaseSample,
} from "../measure.ts";
import type { Scenario } from "../scenario.ts";

/** More than a loop needs: until as many jobs end as are accepted. */
const WARM_UP_MS = 4000;
const ROWS_A_JOB_MAX = 7;
const STATEMENTS_A_JOB_MAX = 0.1;

/** Rows are counted from rest to rest, all else while as many jobs live as go. */
export const life: Scenario = {
  name: "life",
  title: "whole lives of jobs: accepted, polled three times, ended, called back, recorded",
  async run({ runs, windowMs, step }) {
    await using load = await LifeLoad.start();
    const { gateway } = load;
    await restartCountingStatements(gateway);
    await using closing = new AsyncDisposableStack();
    const sql = closing.adopt(await gateway.openDatabase(), (open) => open.end());
    const rowsBefore = await countRowsWritten(gateway, sql);
    step("warming up");
    load.feed();
    await load.livesWithin(WARM_UP_MS);
    const samples: DatabaseSample[] = [];
    const statementsEach: number[] = [];
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      const before = await countStatements(sql);
      const sample = await measureGateway(gateway, () => load.livesWithin(windowMs));
      statementsEach.push(((await countStatements(sql)) - before) / sample.operations);
      samples.push(sample);
    }
    step("waiting for the rest");
    const accepted = await load.drain();
    const rows = (await countRowsWritten(gateway, sql)) - rowsBefore;
    const { perSecond, spread, cpuUsEach } = summarize(samples);
    return [
      figure("jobs", perSecond, "jobs/s"),
      figure("spread", spread, "ratio"),
      figure("cpu_each", cpuUsEach ?? Number.NaN, "µs"),
      figure("database_cpu_each", databaseCpuUsEach(samples), "µs"),
      figure("polls_each", (await load.polls()) / accepted, "polls"),
      figure("rows_each", rows / accepted, "rows", atMost(ROWS_A_JOB_MAX)),
      figure("statements_each", median(statementsEach), "statements", atMost(STATEMENTS_A_JOB_MAX)),
      figure("lost", await load.countUndelivered(), "jobs", atMost(0)),
    ];
  },
};
