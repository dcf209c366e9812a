import type { Command } from "commander";
import type { Cli, ExitCode } from "./cli.ts";

/** Shared by the commands of one call. */
export interface Commands {
  readonly cli: Cli;
  /** The exit code of the command that was run. */
  exitCode: ExitCode;
}

/** Adds a command to those of its parent. */
export type AddCommand = (parent: Command, commands: Commands) => void;
