import type { Command } from "commander";
import type { Cli, ExitCode } from "./cli.ts";

/** What the commands of one call share. */
export interface Commands {
  readonly cli: Cli;
  /** Of the command that was run. */
  exitCode: ExitCode;
}

/** Adds a command to those of its parent. */
export type AddCommand = (parent: Command, commands: Commands) => void;
