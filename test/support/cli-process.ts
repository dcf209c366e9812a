import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { vi } from "vitest";
import type { CliResult } from "./cli.ts";

const MAIN = resolve(import.meta.dirname, "../../src/main.ts");
/** Starting takes half the time when Node need not strip every file again. */
const COMPILE_CACHE = join(tmpdir(), "ringback-test-compile-cache");
/** Only ends what hangs. */
const TIMEOUT_MS = 60_000;

/** A command of `ringback` that runs as a process of its own. */
export interface RunningCli {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves once standard output or error has a line that matches. */
  until(line: RegExp): Promise<void>;
  readonly exit: Promise<CliResult>;
}

/** How a command is started, with nothing but this environment. */
export function cliCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { readonly file: string; readonly args: string[]; readonly env: Record<string, string> } {
  const own = {
    PATH: process.env["PATH"] ?? "",
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    HOME: tmpdir(),
  };
  return { file: process.execPath, args: [MAIN, ...args], env: { ...own, ...env } };
}

/** Starts a command with nothing but this environment. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): RunningCli {
  const command = cliCommand(args, env);
  const child = spawn(command.file, command.args, {
    ...(cwd !== undefined && { cwd }),
    env: command.env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => (printed[name] += chunk));
  }
  const exit = once(child, "close").then(([code]): CliResult => ({ code, ...printed }));
  return {
    child,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    until: (line) =>
      vi.waitFor(
        () => {
          if (line.test(printed.stdout) || line.test(printed.stderr)) return;
          throw new Error(
            `${line} was not printed. stdout: ${printed.stdout}\nstderr: ${printed.stderr}`,
          );
        },
        { timeout: TIMEOUT_MS, interval: 10 },
      ),
    exit,
  };
}

/** Runs a command to its end. */
export function runCliProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = "",
): Promise<CliResult> {
  const { child, exit } = startCli(args, env);
  child.stdin?.end(stdin);
  return exit;
}
