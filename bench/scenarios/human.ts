import { atMost, figure, type Figure } from "../figure.ts";
import {
  databaseCpuUsEach,
  measureWithDatabase,
  median,
  quantile,
  summarize,
  type DatabaseSample,
} from "../measure.ts";
import { MessageLoad, type MessageKind } from "../message-load.ts";
import { rssBytesOf } from "../process-facts.ts";
import { profileWhile } from "../profiler.ts";
import type { Scenario } from "../scenario.ts";

const PER_SECOND = 200;
const CONNECTIONS = 16;
const P50_MS_MAX = 2;
const P99_MS_MAX = 10;
const CPU_US_EACH_MAX = 1200;
const RSS_MEBIBYTES_MAX = 220;
const MEBIBYTE = 1024 * 1024;

const KINDS = ["raw", "ordinary", "late"] as const;
type Kind = (typeof KINDS)[number];

interface Measured {
  readonly samples: DatabaseSample[];
  /** Those of each run. */
  readonly lagsMs: (readonly number[])[];
}

/**
 * As many messages as a busy product sends: far from what the machine can do. The least program
 * that could do the same takes turns with the gateway, since a machine that is mostly idle needs
 * several times the time and the CPU for each thing that it does, some machines much more so.
 */
export const human: Scenario = {
  name: "human",
  title: `${PER_SECOND} messages a second, from the subscription to the callback, beside the least program that relays them`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using load = await MessageLoad.start();
    const { gateway } = load;
    await using raw = await load.startRawRelay();
    const postgresPid = (await gateway.postgres()).pid;
    const measured = {
      raw: { samples: [], lagsMs: [] },
      ordinary: { samples: [], lagsMs: [] },
      late: { samples: [], lagsMs: [] },
    } satisfies Record<Kind, Measured> as Record<Kind, Measured>;
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      for (const kind of KINDS) {
        const [pid, url] = kind === "raw" ? [raw.pid, raw.url] : [gateway.pid, gateway.url];
        const messageKind: MessageKind = kind === "raw" ? "ordinary" : kind;
        const { samples, lagsMs } = measured[kind];
        const rate = { connections: CONNECTIONS, perSecond: PER_SECOND };
        await load.send(messageKind, { ...rate, durationMs: warmUpMs }, url);
        const send = async (): Promise<number> => {
          const messages = await load.send(messageKind, { ...rate, durationMs: windowMs }, url);
          lagsMs.push(messages.lagsMs);
          return messages.count;
        };
        samples.push(
          await measureWithDatabase({ pid, postgresPid }, () => profileWhile(pid, send)),
        );
      }
    }
    const rssMebibytes = (rssBytesOf(gateway.pid) ?? Number.NaN) / MEBIBYTE;
    return [
      figure("rss_after_load", rssMebibytes, "MiB", atMost(RSS_MEBIBYTES_MAX)),
      ...figuresOf("raw", measured.raw, false),
      ...figuresOf("ordinary", measured.ordinary, true),
      ...figuresOf("late", measured.late, true),
      figure("cpu_ratio_to_raw", cpuUsEach(measured.ordinary) / cpuUsEach(measured.raw), "ratio"),
      figure("p50_ratio_to_raw", lagMs(measured.ordinary, 0.5) / lagMs(measured.raw, 0.5), "ratio"),
      figure(
        "p99_ratio_to_raw",
        lagMs(measured.ordinary, 0.99) / lagMs(measured.raw, 0.99),
        "ratio",
      ),
    ];
  },
};

function figuresOf(kind: Kind, measured: Measured, hasTargets: boolean): Figure[] {
  const programUs = summarize(measured.samples).cpuUsEach ?? Number.NaN;
  const target = (max: number): ReturnType<typeof atMost>[] => (hasTargets ? [atMost(max)] : []);
  return [
    figure(`${kind}_p50`, lagMs(measured, 0.5), "ms", ...target(P50_MS_MAX)),
    figure(`${kind}_p99`, lagMs(measured, 0.99), "ms", ...target(P99_MS_MAX)),
    figure(`${kind}_max`, Math.max(...measured.lagsMs.flat()), "ms"),
    figure(`${kind}_program_cpu_each`, programUs, "µs"),
    figure(`${kind}_database_cpu_each`, databaseCpuUsEach(measured.samples), "µs"),
    figure(`${kind}_cpu_each`, cpuUsEach(measured), "µs", ...target(CPU_US_EACH_MAX)),
  ];
}

function cpuUsEach({ samples }: Measured): number {
  return (summarize(samples).cpuUsEach ?? Number.NaN) + databaseCpuUsEach(samples);
}

/** The median over the runs. */
function lagMs({ lagsMs }: Measured, share: number): number {
  return median(lagsMs.map((ofRun) => quantile(ofRun, share)));
}
