import type { Command } from "commander";
import { CliError, EXIT } from "../frame/cli.ts";
import type { AddCommand, Commands } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { runOperator } from "../frame/operator.ts";
import type { CommonFlags } from "../frame/run.ts";

export const projectCommand: AddCommand = (parent, commands) => {
  const project = parent.command("project").description("manage projects, on the database itself");
  add(project, commands, "list", "show all projects");
  add(project, commands, "create <name>", "make one and print its first API key, once");
  add(project, commands, "key <name>", "print another API key with all rights on it, once");
  add(project, commands, "limits <name>", "show what it may use at most");
  add(
    project,
    commands,
    "set-limit <name> <limit> <number>",
    'set one of its limits; "default" for the environment\'s',
  );
  add(
    project,
    commands,
    "allow <name> <number>",
    "the same as set-limit <name> live_jobs <number>",
  );
};

/** @param form the command and its arguments */
function add(project: Command, commands: Commands, form: string, description: string): void {
  const command = withJson(project.command(form)).description(description);
  command.action(async () => {
    const args = [command.name(), ...command.args];
    const flags = command.opts<CommonFlags>();
    const { cli } = commands;
    const options = { printsLog: false, command: ["project", ...args].join(" ") };
    commands.exitCode = await runOperator(cli, flags, options, async ({ config, log, out }) => {
      const { readProjectCommand, runProjectCommand } = await import("../project.ts");
      const { systemClock } = await import("../../runtime/clock.ts");
      const asked = readProjectCommand(args);
      if (asked === null) throw notUnderstood(args);
      const { text, json } = await runProjectCommand(asked, config, { clock: systemClock, log });
      if (out.isJson) out.printJson(json);
      else out.print(text);
      return EXIT.done;
    });
  });
}

function notUnderstood(args: readonly string[]): CliError {
  return new CliError(`Unknown command: project ${args.join(" ")}`, {
    hint:
      "The name of a project has 1 to 63 letters, digits, dots, dashes and underscores, the first a letter " +
      "or digit. Limits are listed by: ringback project limits <name>. A number is whole, or default.",
  });
}
