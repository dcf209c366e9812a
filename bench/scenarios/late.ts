import { atMost, figure, type Figure } from "../figure.ts";
import { databaseCpuUsEach, measureGateway, summarize, type DatabaseSample } from "../measure.ts";
import { type MessageKind, MessageLoad } from "../message-load.ts";
import type { Scenario } from "../scenario.ts";

const CONNECTIONS = 64;
const RATIO_MAX = 1;

/** The cost of a subscription that arrives after its job has ended, beside one whose job ends at its first poll. */
export const late: Scenario = {
  name: "late",
  title: `subscriptions to a job that has ended over ${CONNECTIONS} connections, beside jobs that end at their first poll`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using load = await MessageLoad.start();
    const { gateway } = load;
    const samples: Record<MessageKind, DatabaseSample[]> = { late: [], ordinary: [] };
    const send = async (kind: MessageKind, durationMs: number): Promise<number> => {
      const options = { connections: CONNECTIONS, durationMs, perSecond: null };
      return (await load.send(kind, options)).count;
    };
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      for (const kind of ["ordinary", "late"] as const) {
        await send(kind, warmUpMs);
        samples[kind].push(await measureGateway(gateway, () => send(kind, windowMs)));
      }
    }
    const ratio = cpuUsEach(samples.late) / cpuUsEach(samples.ordinary);
    return [
      ...figuresOf("", samples.late),
      ...figuresOf("ordinary_", samples.ordinary),
      figure("cpu_ratio_to_ordinary", ratio, "ratio", atMost(RATIO_MAX)),
    ];
  },
};

function figuresOf(prefix: string, samples: readonly DatabaseSample[]): Figure[] {
  const { perSecond, spread, cpuUsEach: gatewayUs } = summarize(samples);
  return [
    figure(`${prefix}messages`, perSecond, "messages/s"),
    figure(`${prefix}spread`, spread, "ratio"),
    figure(`${prefix}cpu_each`, gatewayUs ?? Number.NaN, "µs"),
    figure(`${prefix}database_cpu_each`, databaseCpuUsEach(samples), "µs"),
  ];
}

function cpuUsEach(samples: readonly DatabaseSample[]): number {
  return (summarize(samples).cpuUsEach ?? Number.NaN) + databaseCpuUsEach(samples);
}
