import { EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { openGateway } from "../../frame/gateway.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { durationMs } from "../../frame/values.ts";
import { printEnding, waitForJob } from "./ending.ts";
import { findSubscription, type NamedJobFlags, withNamedJob } from "./named-job.ts";

interface WaitFlags extends NamedJobFlags {
  readonly timeout?: number;
  readonly result?: boolean;
}

export const waitCommand: AddCommand = (parent, commands) => {
  withNamedJob(parent.command("wait"))
    .description("wait until a job has ended; exit code 0 if it completed, 5 if it ended otherwise")
    .argument("<job>", "id of the job, as its provider gave it, or sub_…")
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
