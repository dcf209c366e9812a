import { EXIT } from "../frame/cli.ts";
import type { AddCommand } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { runOperator } from "../frame/operator.ts";
import { withElapsedTime } from "../frame/progress.ts";
import type { CommonFlags } from "../frame/run.ts";

interface MigrateFlags extends CommonFlags {
  readonly check?: boolean;
  readonly distribute?: boolean;
}

export const migrateCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("migrate"))
    .description("bring the database of DATABASE_URL up to date")
    .option("--check", "change nothing; exit code 1 if the database is not up to date")
    .option("--distribute", "also spread the rows about jobs over the workers of a Citus database")
    .action(async (flags: MigrateFlags) => {
      const { cli } = commands;
      const options = { printsLog: flags.check !== true, command: "migrate" };
      commands.exitCode = await runOperator(cli, flags, options, async ({ config, log, out }) => {
        if (flags.check === true) {
          const { withOperatorDatabase } = await import("../operator-database.ts");
          const applicationName = "ringback migrate";
          // It refuses a database that is behind.
          await withOperatorDatabase({ config, log, applicationName }, async () => undefined);
          if (out.isJson) out.printJson({ up_to_date: true });
          else out.print("The database is up to date.");
          return EXIT.done;
        }
        const { migrateOnly } = await import("../migrate.ts");
        await withElapsedTime(out, "Bringing the database up to date", () =>
          migrateOnly(config, log, flags.distribute === true),
        );
        return EXIT.done;
      });
    });
};
