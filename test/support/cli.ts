import { Readable, Writable } from "node:stream";
import { runProgram } from "../../src/cli/program.ts";

/** How a command ended, and what it printed. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command of `ringback` in this process, with nothing but this environment.
 * @param stderrIsTTY whether a person reads the messages on a terminal
 */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = "",
  stderrIsTTY = false,
): Promise<CliResult> {
  const printed = { stdout: "", stderr: "" };
  const into = (name: keyof typeof printed): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed[name] += chunk.toString("utf8");
        done();
      },
    });
  const code = await runProgram(args, {
    env,
    stdin: Readable.from([stdin]),
    stdout: into("stdout"),
    stderr: Object.assign(into("stderr"), { isTTY: stderrIsTTY }),
    version: "1.2.3",
    exit: (status) => {
      throw new Error(`The command ended the process with ${status}.`);
    },
  });
  return { code, ...printed };
}
