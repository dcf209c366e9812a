import type { Config } from "../../config.ts";
import type { Log, LogLevel } from "../../runtime/process/log.ts";
import { type Cli, CliError, EXIT, type ExitCode } from "./cli.ts";
import { Output } from "./output.ts";
import { type CommonFlags, printFailure } from "./run.ts";

const NODE_MAJOR_MIN = 24;

/**
 * Runs an operator's command with the gateway's own log, on the settings of the environment, which are
 * all checked before it begins.
 */
export async function runOperator(
  cli: Cli,
  flags: CommonFlags,
  {
    printsLog,
    command,
  }: {
    /**
     * Whether the log is what the command prints, at the level and in the format of the settings. If not,
     * warnings go to standard error, where a failure is one plain message.
     */
    readonly printsLog: boolean;
    /** The command, to be shown with a Node that will do. */
    readonly command: string;
  },
  work: (run: {
    readonly cli: Cli;
    readonly config: Config;
    readonly log: Log;
    readonly out: Output;
  }) => Promise<ExitCode>,
): Promise<ExitCode> {
  const out = new Output(cli, { isJson: flags.json === true });
  const tooOld = refusedNode(command);
  if (tooOld !== null) return printFailure(out, tooOld);
  // Only commands of the operator load what the gateway consists of.
  const { describeProblems, loadConfig } = await import("../../config.ts");
  const { StartRefusedError } = await import("../../runtime/process/fatal-errors.ts");
  const { WrongDefinitionsError } = await import("../../gateway/shared-providers.ts");
  const { SecretBoxError } = await import("../../runtime/secrets/secret-box.ts");
  const result = loadConfig(cli.env, cli.stdout.isTTY === true && !out.isJson);
  if (result.kind === "invalid") {
    const lines = [describeProblems(result.problems), ...result.warnings];
    cli.stderr.write(`${lines.join("\n")}\n`);
    return EXIT.failed;
  }
  const { config, warnings } = result;
  const log = await openLog(cli, config, printsLog);
  for (const warning of warnings) log.warn(warning);
  try {
    return await work({ cli, config, log, out });
  } catch (error) {
    const isForPeople = error instanceof StartRefusedError || error instanceof SecretBoxError;
    if (error instanceof WrongDefinitionsError) cli.stderr.write(`${error.message}\n`);
    else if (error instanceof CliError) return printFailure(out, error);
    else if (isForPeople && !printsLog) return printFailure(out, new CliError(error.message, {}));
    else if (isForPeople) log.fatal(error.message);
    else log.fatal({ err: error }, error instanceof Error ? error.message : "unrecoverable error");
    return EXIT.failed;
  } finally {
    out.progress(null);
    await out.flush();
  }
}

async function openLog(cli: Cli, config: Config, printsLog: boolean): Promise<Log> {
  const { secretsOfConfig } = await import("../../config.ts");
  const { createLog } = await import("../../runtime/process/log.ts");
  const { exitOnUnexpectedError } = await import("../../runtime/process/fatal-errors.ts");
  const level: LogLevel = printsLog ? config.log.level : "warn";
  const toStandardError = { write: (line: string) => void cli.stderr.write(line) };
  const log = createLog({
    ...config.log,
    level,
    secrets: secretsOfConfig(config),
    ...(!printsLog && { destination: toStandardError }),
  });
  exitOnUnexpectedError(log);
  return log;
}

/** Refuses a Node that is too old for the gateway's own code; null when it will do. */
export function refusedNode(command: string): CliError | null {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= NODE_MAJOR_MIN) return null;
  return new CliError(
    `The gateway needs Node ${NODE_MAJOR_MIN} or later, and this is ${node} (${process.execPath}).`,
    {
      hint:
        `Install a later one, or let npm bring one along:\n\n` +
        `  npx --package=node@${NODE_MAJOR_MIN} --package=ringback ringback ${command}\n\n` +
        "Commands that talk to a running gateway work on this one.",
    },
  );
}
