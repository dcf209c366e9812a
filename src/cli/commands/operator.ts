import type { Command } from "commander";
import { CliError, EXIT, type AddCommand, type Commands } from "../frame/cli.ts";
import { withJson } from "../frame/gateway.ts";
import { runOperator } from "../frame/operator.ts";
import type { CommonFlags } from "../frame/run.ts";
import { withElapsedTime } from "../frame/output.ts";

export const resealCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("reseal"))
    .description("encrypt all secrets under the first of RINGBACK_ENCRYPTION_KEYS")
    .option("--dry-run", "only count them")
    .action(async (flags: CommonFlags & { readonly dryRun?: boolean }) => {
      const { cli } = commands;
      const options = { printsLog: false, command: "reseal" };
      commands.exitCode = await runOperator(cli, flags, options, async ({ config, log, out }) => {
        const { runReseal } = await import("../operator/reseal.ts");
        const { text, json, allUnderFirstKey } = await runReseal(
          {
            dryRun: flags.dryRun === true,
            onProgress: (secrets) => out.progress(`${secrets} secrets encrypted again …`),
          },
          config,
          log,
        );
        out.progress(null);
        if (out.isJson) out.printJson(json);
        else if (allUnderFirstKey) out.print(text);
        // Secrets under other keys are for a person to look at.
        else out.note(text);
        return allUnderFirstKey ? EXIT.done : EXIT.failed;
      });
    });
};

export const migrateCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("migrate"))
    .description("bring the database of DATABASE_URL up to date")
    .option("--check", "change nothing; exit code 1 if the database is not up to date")
    .option("--distribute", "also spread the rows about jobs over the workers of a Citus database")
    .action(
      async (flags: CommonFlags & { readonly check?: boolean; readonly distribute?: boolean }) => {
        const { cli } = commands;
        const options = { printsLog: flags.check !== true, command: "migrate" };
        commands.exitCode = await runOperator(cli, flags, options, async ({ config, log, out }) => {
          const { migrateOnly, withOperatorDatabase } =
            await import("../operator/operator-database.ts");
          if (flags.check === true) {
            const applicationName = "ringback migrate";
            // It refuses a database that is behind.
            await withOperatorDatabase({ config, log, applicationName }, async () => undefined);
            if (out.isJson) out.printJson({ up_to_date: true });
            else out.print("The database is up to date.");
            return EXIT.done;
          }
          await withElapsedTime(out, "Bringing the database up to date", () =>
            migrateOnly(config, log, flags.distribute === true),
          );
          return EXIT.done;
        });
      },
    );
};

export const startCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("start"))
    .description("start the gateway")
    .addHelpText(
      "after",
      "\nSettings come from the environment: PORT, DATABASE_URL, RINGBACK_API_KEY and others, such as\n" +
        "PORT=9000 ringback start. docs/reference/settings.md lists them.",
    )
    .action(async (flags: CommonFlags) => {
      const { cli } = commands;
      const options = { printsLog: true, command: "start" };
      commands.exitCode = await runOperator(cli, flags, options, async ({ config, log }) => {
        const { runGateway } = await import("../operator/start.ts");
        await runGateway(config, log, cli);
        return EXIT.done;
      });
    });
};

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
    "set-frames <name> <origins>",
    'set which pages may frame its console links, by origins between commas; or "none"',
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
      const { readProjectCommand, runProjectCommand } = await import("../operator/project.ts");
      const { systemClock } = await import("../../runtime/clock.ts");
      const asked = readProjectCommand(args);
      if (asked === null) throw new CliError(`Unknown command: project ${args.join(" ")}`, {});
      const { text, json } = await runProjectCommand(asked, config, { clock: systemClock, log });
      if (out.isJson) out.printJson(json);
      else out.print(text);
      return EXIT.done;
    });
  });
}
