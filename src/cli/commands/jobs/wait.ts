import { EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { durationMs } from "../../frame/values.ts";
import { printEnding, waitForJob } from "./ending.ts";
import type { CallOptions, Ringback, Subscription } from "../../../client/ringback.ts";
import { RingbackError } from "../../../client/ringback.ts";

interface WaitFlags extends GatewayFlags {
  readonly provider?: string;
  readonly connection?: string;
  readonly timeout?: number;
  readonly result?: boolean;
}

export const waitCommand: AddCommand = (parent, commands) => {
  withGateway(parent.command("wait"))
    .description("wait until a job has ended; exit code 0 if it completed, 5 if it ended otherwise")
    .argument("<job>", "id of the job, as its provider gave it, or sub_…")
    .option("--provider <name>", "where several providers have such a job")
    .option("--connection <name>", "where several connections have such a job")
    .option(
      "--timeout <time>",
      "wait no longer than this, such as 90s or 5m; exit code 6",
      durationMs,
    )
    .option("--result", "print only the result, exactly as the provider wrote it")
    .action(async (job: string, flags: WaitFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => wait(job, flags, run));
    });
};

async function wait(
  job: string,
  flags: WaitFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { ringback } = await openGateway(cli, flags);
  const { id } = await findSubscription(ringback, { job, ...flags }, { signal });
  const timeoutMs = flags.timeout ?? null;
  const ending = await waitForJob({ ringback, out, signal }, id, { timeoutMs });
  if (flags.result !== true) return printEnding(ending, out);
  // Standard output is for the result alone.
  if (ending.type !== "job.completed") return printEnding(ending, out, (line) => out.note(line));
  const bytes = await ending.resultBytes();
  cli.stdout.write(bytes);
  if (cli.stdout.isTTY) cli.stdout.write("\n");
  return EXIT.done;
}

/** A job as a person names it. */
interface NamedJob {
  readonly job: string;
  readonly provider?: string | undefined;
  readonly connection?: string | undefined;
}

const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;

/**
 * The subscription of this id, or the newest one to the job.
 * @throws {RingbackError} `not_watched` when there is none
 */
export async function findSubscription(
  ringback: Ringback,
  { job, provider, connection }: NamedJob,
  call: CallOptions,
): Promise<Subscription> {
  if (SUBSCRIPTION_ID.test(job)) return ringback.subscriptions.get(job, call);
  const filters = { job_id: job, provider, connection, limit: 1 };
  const [found] = await ringback.subscriptions.list(filters, call).toArray(1);
  if (found !== undefined) return found;
  throw new RingbackError(`No subscription watches the job ${job}.`, { code: "not_watched" });
}
