import { setTimeout as sleep } from "node:timers/promises";
import { RingbackError } from "../../../client/ringback.ts";
import { EVENT_TYPES } from "../../../core/delivery/event.ts";
import { EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { Connectivity } from "../../frame/connectivity.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type Output, shown } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { momentFrom, someFrom } from "../../frame/values.ts";
import { EventFeed, type FeedEvent } from "../../listen/event-feed.ts";

interface TailFlags extends GatewayFlags {
  readonly events?: readonly string[];
  readonly job?: string;
  readonly since?: string;
}

/** How soon a gateway that is away is asked again. */
const RETRY_MS = 1_000;

export const tailCommand: AddCommand = (parent, commands) => {
  withGateway(parent.command("tail"))
    .description("show events of the project as they are recorded")
    .option("--events <types>", "between commas; only these", someFrom(EVENT_TYPES))
    .option("--job <job>", "only those of this job, as its provider names it")
    .option(
      "--since <time>",
      "begin at this time, or so long ago, such as 10m",
      momentFrom(() => Date.now()),
    )
    .action(async (flags: TailFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => tail(flags, run), {
        endsBySignal: true,
      });
    });
};

async function tail(flags: TailFlags, { cli, out, signal }: CommandRun): Promise<ExitCode> {
  const { ringback, url } = await openGateway(cli, flags);
  const feed = new EventFeed(ringback, flags.since ?? null, () => performance.now());
  const connectivity = new Connectivity(out, url, () => performance.now());
  const { events, job } = flags;
  let hasBegun = false;
  while (!signal.aborted) {
    try {
      for (const event of await feed.next(signal)) {
        const isWanted = events === undefined || events.includes(event.type);
        if (isWanted && (job === undefined || event.jobId === job)) print(event, out);
      }
      connectivity.back();
      if (!hasBegun) out.note(`Following the events of ${url}.`);
      hasBegun = true;
      await feed.wait(signal);
    } catch (error) {
      if (!(error instanceof RingbackError) || !mayPass(error)) throw error;
      connectivity.lost(error);
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
  return EXIT.done;
}

/** Whether a gateway that is asked again may answer. */
function mayPass({ status, code }: RingbackError): boolean {
  return status === null || status === 429 || status >= 500 || code === "unexpected_answer";
}

function print(event: FeedEvent, out: Output): void {
  if (out.isJson) return out.printJson(event.json);
  const { timestamp, type, jobId, provider, id } = event;
  const color = type === "job.completed" ? "green" : type === "job.failed" ? "red" : "yellow";
  const parts = [out.paint("dim", timestamp), out.paint(color, type), shown(jobId), provider, id];
  out.print(parts.join("  "));
}
