import type { WatchedJob } from "../../../client/ringback.ts";
import { path } from "../../../client/transport.ts";
import { EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { openGateway } from "../../frame/gateway.ts";
import { clockTime, shown } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { longDurationMs } from "../../frame/values.ts";
import { findSubscription, type NamedJobFlags, withNamedJob } from "./named-job.ts";

interface ExtendFlags extends NamedJobFlags {
  readonly deadline: number;
}

const JOB_ID = /^job_[0-9a-f]{32}$/;

export const extendCommand: AddCommand = (parent, commands) => {
  withNamedJob(parent.command("extend"))
    .description("give a job that still runs more time until it counts as timed out")
    .argument("<job>", "id of the job, as its provider gave it, or job_… or sub_…")
    .requiredOption(
      "--deadline <time>",
      "give the job up after this time from now, such as 6h or 30d",
      longDurationMs,
    )
    .action(async (job: string, flags: ExtendFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => extend(job, flags, run));
    });
};

async function extend(
  job: string,
  flags: ExtendFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { ringback } = await openGateway(cli, flags);
  const id = JOB_ID.test(job)
    ? job
    : (await findSubscription(ringback, { job, ...flags }, { signal })).job.id;
  const body = { deadline_s: Math.ceil(flags.deadline / 1000) };
  const spec = { path: path`/v1/jobs/${id}/extend`, body, isRepeatable: true };
  const { value, text } = await ringback.read<WatchedJob>({ method: "POST", ...spec }, { signal });
  if (out.isJson) out.printJson(text);
  else {
    const { job_id: name, deadline_at: deadline } = value;
    out.print(shown(`${name} is given up at ${clockTime(deadline)}, if it has not ended by then.`));
  }
  return EXIT.done;
}
