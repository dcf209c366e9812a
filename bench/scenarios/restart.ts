import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import { median } from "../measure.ts";
import { cpuMsOf, rssBytesOf } from "../process-facts.ts";
import type { RawStartCommands } from "../raw-start.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";
import { createTemporaryDirectory } from "../temporary-directory.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const OWED = { full: 5_000, quick: 1_000 };
const READY_S_MAX = 1;
const READY_EMBEDDED_S_MAX = 2;
const OWED_S_MAX = 2;
const MEBIBYTE = 1024 * 1024;

const log = { info: () => undefined, warn: console.error, error: console.error };

/** A gateway that is killed while it owes callbacks, and started again at once. */
export const restart: Scenario = {
  name: "restart",
  title: "kill -9 of a gateway that owes callbacks, until it is ready again and has sent them",
  async run(settings) {
    await using cleanUp = new AsyncDisposableStack();
    const directory = cleanUp.use(await createTemporaryDirectory());
    const postgres = await startEmbeddedPostgres({ dataDir: join(directory.path, "data"), log });
    cleanUp.defer(() => postgres.stop());
    const rawReadyS: number[] = [];
    for (let run = 1; run <= settings.runs; run += 1) {
      rawReadyS.push(await secondsUntilRawIsReady(postgres.url));
    }
    const external = await measureRestarts(settings, "external", {
      DATABASE_URL: postgres.url,
      RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    });
    const embedded = await measureRestarts(settings, "embedded", {});
    const ready = median(external.readyS);
    const rawReady = median(rawReadyS);
    return [
      figure("raw_ready", rawReady, "s"),
      figure("ready", ready, "s", atMost(READY_S_MAX)),
      figure("ready_ratio_to_raw", ready / rawReady, "ratio"),
      ...figuresOf("", external),
      figure("embedded_ready", median(embedded.readyS), "s", atMost(READY_EMBEDDED_S_MAX)),
      ...figuresOf("embedded_", embedded),
    ];
  },
};

interface Restarts {
  /** From the start of the process. */
  readonly readyS: number[];
  /** From when it is ready until all that was owed is sent. */
  readonly owedS: number[];
  readonly cpuS: number[];
  readonly rssMebibytes: number[];
  /** Answered by a gateway that is ready. */
  unavailable: number;
}

function figuresOf(prefix: string, restarts: Restarts): Figure[] {
  return [
    figure(`${prefix}start_cpu`, median(restarts.cpuS), "s"),
    figure(`${prefix}rss_when_ready`, median(restarts.rssMebibytes), "MiB"),
    figure(`${prefix}owed_sent`, median(restarts.owedS), "s", atMost(OWED_S_MAX)),
    figure(`${prefix}unavailable`, restarts.unavailable, "answers", atMost(0)),
  ];
}

async function secondsUntilRawIsReady(databaseUrl: string): Promise<number> {
  const beganAt = performance.now();
  await using worker: WorkerProcess<RawStartCommands> = await WorkerProcess.start("raw-start.ts", [
    databaseUrl,
  ]);
  const seconds = (performance.now() - beganAt) / 1000;
  await worker.ask("end", undefined);
  return seconds;
}

async function measureRestarts(
  { mode, runs, step }: BenchSettings,
  kind: string,
  settings: Readonly<Record<string, string>>,
): Promise<Restarts> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using receiver: WorkerProcess<ReceiverCommands> = await WorkerProcess.start("receiver.ts");
  await using gateway = await BenchGateway.start(settings);
  const connection = await gateway.connect("restart", await upstream.ask("listen", undefined));
  const [origin = ""] = await receiver.ask("listen", { origins: 1 });
  const restarts: Restarts = { readyS: [], owedS: [], cpuS: [], rssMebibytes: [], unavailable: 0 };
  for (let run = 1; run <= runs; run += 1) {
    step(`${kind}: run ${run} of ${runs}`);
    await upstream.ask("complete", { result: { pages: 3 } });
    await receiver.ask("tally", undefined);
    await receiver.ask("hold", undefined);
    const owed = OWED[mode];
    await gateway.subscribe(
      connection,
      Array.from({ length: owed }, (_, index) => ({
        job_id: `bench-${run}-${index}`,
        callback_url: `${origin}/hooks-${index}`,
      })),
    );
    await until("all endings are recorded", async () => {
      return (await gateway.metric("ringback_outbox_deliveries")) >= owed;
    });
    await gateway.kill();
    await receiver.ask("release", undefined);
    await receiver.ask("tally", undefined);
    const beganAt = performance.now();
    await gateway.start();
    const readyAt = performance.now();
    restarts.readyS.push((readyAt - beganAt) / 1000);
    restarts.cpuS.push((cpuMsOf(gateway.pid) ?? Number.NaN) / 1000);
    restarts.rssMebibytes.push((rssBytesOf(gateway.pid) ?? Number.NaN) / MEBIBYTE);
    await until("all that is owed is sent", async () => {
      restarts.unavailable += await isUnavailable(gateway);
      return (await receiver.ask("distinct", undefined)) >= owed;
    });
    restarts.owedS.push((performance.now() - readyAt) / 1000);
  }
  return restarts;
}

/** 1 for a 503, 0 for any other answer. */
async function isUnavailable(gateway: BenchGateway): Promise<number> {
  const { status } = await fetch(`${gateway.url}/v1/subscriptions?limit=1`, {
    headers: { authorization: `Bearer ${gateway.apiKey}` },
  });
  return status === 503 ? 1 : 0;
}
