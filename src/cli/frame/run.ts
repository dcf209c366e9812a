import type { Cli, ExitCode } from "./cli.ts";
import { EXIT, InterruptedError, OutputClosedError } from "./cli.ts";
import { failureOf } from "./failure.ts";
import { Output } from "./output.ts";

/** The tools of a user's command. */
export interface CommandRun {
  readonly cli: Cli;
  readonly out: Output;
  /** Aborted when the command has to end. */
  readonly signal: AbortSignal;
}

/** The options of every command. */
export interface CommonFlags {
  readonly json?: boolean;
}

/**
 * Runs a command to its end and returns its exit code: prints its failure in plain words, ends it at
 * Ctrl-C, and quietly when nothing reads its output any more. A second Ctrl-C ends the process at once.
 * @param endsBySignal for a command that runs until it is stopped, which is then no failure
 */
export async function runCommand(
  cli: Cli,
  flags: CommonFlags,
  work: (run: CommandRun) => Promise<ExitCode>,
  { endsBySignal = false }: { readonly endsBySignal?: boolean } = {},
): Promise<ExitCode> {
  const out = new Output(cli, { isJson: flags.json === true });
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) cli.exit(EXIT.interrupted);
    stop.abort(new InterruptedError());
  };
  const onOutputLost = (): void => stop.abort(new OutputClosedError());
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  cli.stdout.on("error", onOutputLost);
  try {
    return await work({ cli, out, signal: stop.signal });
  } catch (error) {
    out.progress(null);
    if (stop.signal.reason instanceof OutputClosedError) return EXIT.done;
    if (stop.signal.reason instanceof InterruptedError) {
      return endsBySignal ? EXIT.done : EXIT.interrupted;
    }
    return printFailure(out, error);
  } finally {
    out.progress(null);
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    await out.flush();
    cli.stdout.off("error", onOutputLost);
  }
}

/** Prints what went wrong and what to do; returns the exit code. */
export function printFailure(out: Output, error: unknown): ExitCode {
  const { message, hint, code, exitCode } = failureOf(error);
  if (out.isJson) {
    out.note(JSON.stringify({ error: { code, message, hint, exit_code: exitCode } }));
  } else {
    out.note(`${out.paintNote("red", "Error:")} ${message}`);
    if (hint !== null) out.note(hint);
  }
  return exitCode;
}
