import type { Sql } from "postgres";
import { compare } from "../comparison.ts";
import { figure } from "../figure.ts";
import { BenchGateway, type BenchSubscription } from "../gateway.ts";
import { databaseCpuUsEach, measureGateway, type DatabaseSample, type Sample } from "../measure.ts";
import type { RawDeliverCommands } from "../raw-deliver.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import { cheapestConcurrency } from "../tune.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const DELIVERIES = { full: 100_000, quick: 10_000 };
const ORIGINS = 4;
const BODY_BYTES = 1024;
/** The rest of a callback's body, without its result. */
const ENVELOPE_BYTES = 300;
const SUBSCRIPTIONS_A_JOB = 500;
const OUTBOX = "ringback_outbox_deliveries";
const RATIO_MIN = 0.5;

/**
 * Jobs with many subscriptions end while the receiver answers nothing, so that all their
 * deliveries are owed. It begins when the receiver answers again, and is over when it has every
 * callback and every attempt is recorded.
 */
export const deliver: Scenario = {
  name: "deliver",
  title: `delivering ${BODY_BYTES}-byte callbacks to ${ORIGINS} origins, beside a loop that signs and POSTs`,
  async run({ mode, runs, step }) {
    const deliveries = DELIVERIES[mode];
    await using upstream: WorkerProcess<UpstreamCommands> =
      await WorkerProcess.start("upstream.ts");
    await using receiver: WorkerProcess<ReceiverCommands> =
      await WorkerProcess.start("receiver.ts");
    await using rawLoop: WorkerProcess<RawDeliverCommands> =
      await WorkerProcess.start("raw-deliver.ts");
    await using gateway = await BenchGateway.start({ RINGBACK_CALLBACK_TIMEOUT_MS: "120000" });
    await using closing = new AsyncDisposableStack();
    const sql = closing.adopt(await gateway.openDatabase(), (open) => open.end());
    const connection = await gateway.connect("deliver", await upstream.ask("listen", undefined));
    const origins = await receiver.ask("listen", { origins: ORIGINS });
    const deliverRaw = (concurrency: number, count: number): Promise<Sample> =>
      rawLoop.ask("run", { origins, bodyBytes: BODY_BYTES, concurrency, deliveries: count });
    const owe = async (run: number): Promise<void> => {
      await receiver.ask("hold", undefined);
      await upstream.ask("hold", undefined);
      await gateway.subscribe(connection, wishesOf(run, deliveries, origins));
      await upstream.ask("complete", { result: "x".repeat(BODY_BYTES - ENVELOPE_BYTES) });
      await until("all deliveries are owed", async () => (await countOwed(sql)) === deliveries);
    };
    const taken = (): Promise<number> => receiver.ask("answered", undefined);
    const deliverOwed = async (): Promise<number> => {
      const before = await taken();
      await receiver.ask("release", undefined);
      await until("all are taken", async () => (await taken()) - before === deliveries);
      await until("all are recorded", async () => (await gateway.metric(OUTBOX)) === 0);
      const left = await countOwed(sql);
      if (left > 0) throw new Error(`${left} deliveries are still owed.`);
      return deliveries;
    };
    step("finding the best concurrency for the raw loop");
    await deliverRaw(16, deliveries / 10);
    const concurrency = await cheapestConcurrency((n) => deliverRaw(n, deliveries / 10));
    step(`it is ${concurrency}`);
    const samples = { raw: [] as Sample[], gateway: [] as DatabaseSample[] };
    // Run 0 warms up.
    for (let run = 0; run <= runs; run += 1) {
      step(run === 0 ? "warming up" : `run ${run} of ${runs}`);
      const raw = await deliverRaw(concurrency, deliveries);
      await owe(run);
      const owed = await measureGateway(gateway, deliverOwed);
      if (run === 0) continue;
      samples.raw.push(raw);
      samples.gateway.push(owed);
    }
    return [
      ...compare({ operations: "deliveries", ...samples, ratioMin: RATIO_MIN }),
      figure("database_cpu_each", databaseCpuUsEach(samples.gateway), "µs"),
    ];
  },
};

function wishesOf(
  run: number,
  deliveries: number,
  origins: readonly string[],
): readonly BenchSubscription[] {
  return Array.from({ length: deliveries }, (_, number) => ({
    job_id: `bench-${run}-${Math.floor(number / SUBSCRIPTIONS_A_JOB)}`,
    callback_url: `${origins[number % origins.length]}/hooks`,
  }));
}

async function countOwed(sql: Sql): Promise<number> {
  const [row] = await sql<{ owed: number }[]>`
    select count(*)::int as owed from deliveries where status = 'pending'`;
  return row?.owed ?? Number.NaN;
}
