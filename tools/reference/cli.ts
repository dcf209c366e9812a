import { Readable, Writable } from "node:stream";
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";
import { EXIT } from "../../src/cli/frame/cli.ts";

/** The help of every command, as it prints it. */
export function cliPage(): string {
  const cli = {
    env: {},
    stdin: Readable.from([]),
    stdout: new Writable(),
    stderr: new Writable(),
    version: "0.0.0",
    exit: (): never => {
      throw new Error("Help ends nothing.");
    },
  };
  const program = createProgram({ cli, exitCode: EXIT.done });
  const sections = [...leavesOf(program)].map((command) => {
    const name = namesOf(command).join(" ");
    return `## ${name}\n\n\`\`\`text\n${command.helpInformation().trimEnd()}\n\`\`\``;
  });
  return [
    "# Commands",
    "The help of every command. [The command line](../cli.md) explains them by examples, with the exit codes " +
      "and how a command finds its gateway.",
    `\`\`\`text\n${program.helpInformation().trimEnd()}\n\`\`\``,
    ...sections,
  ].join("\n\n");
}

function* leavesOf(command: Command): Generator<Command> {
  for (const one of command.commands) {
    if (one.commands.length > 0) yield* leavesOf(one);
    else yield one;
  }
}

function namesOf(command: Command): string[] {
  return command.parent === null ? [command.name()] : [...namesOf(command.parent), command.name()];
}
