import type { Command } from "commander";
import type { Readable, Writable } from "node:stream";

/** Standard output or error: a terminal, a pipe or a file. */
export type OutputStream = Pick<Writable, "write" | "on" | "off" | "errored" | "destroyed"> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** Standard input. */
type InputStream = Readable & {
  readonly isTTY?: boolean;
  readonly setRawMode?: (isRaw: boolean) => unknown;
};

/** The process that a command runs in; `main.ts` gives the real one. */
export interface Cli {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** The version of this package. */
  readonly version: string;
  /** Ends the process at once, for a stop that takes too long. */
  readonly exit: (code: number) => never;
}

/** How a command ends. docs/cli.md lists them; a number keeps its meaning. */
export const EXIT = {
  done: 0,
  /** The arguments or settings are wrong, the gateway refused the request, or a check failed. */
  failed: 1,
  /** The gateway was not reached, or did not answer in time. */
  unreachable: 2,
  /** There is no API key, or the gateway does not accept it. */
  unauthorized: 3,
  notFound: 4,
  /** `wait`: the job ended, and did not complete. */
  notCompleted: 5,
  /** `wait`: the job had not ended in time. */
  timedOut: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command that can't go on; the message is for people, and says what was wrong. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** The remedy. */
  readonly hint: string | null;

  constructor(message: string, options: { readonly exitCode?: ExitCode; readonly hint?: string }) {
    super(message);
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint ?? null;
  }
}

/** Ctrl-C, or another signal that asks the process to end. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** Nothing reads what the command prints any more, as in `ringback list | head -1`. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** Shared by the commands of one call. */
export interface Commands {
  readonly cli: Cli;
  /** The exit code of the command that was run. */
  exitCode: ExitCode;
}

/** Adds a command to those of its parent. */
export type AddCommand = (parent: Command, commands: Commands) => void;
