import { EXIT } from "../frame/cli.ts";
import type { AddCommand } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { runOperator } from "../frame/operator.ts";
import type { CommonFlags } from "../frame/run.ts";

interface ResealFlags extends CommonFlags {
  readonly dryRun?: boolean;
}

export const resealCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("reseal"))
    .description("encrypt all secrets under the first of RINGBACK_ENCRYPTION_KEYS")
    .option("--dry-run", "only count them")
    .action(async (flags: ResealFlags) => {
      const { cli } = commands;
      const options = { printsLog: false, command: "reseal" };
      commands.exitCode = await runOperator(cli, flags, options, async ({ config, log, out }) => {
        const { runReseal } = await import("../reseal.ts");
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
