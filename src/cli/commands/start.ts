import { EXIT } from "../frame/cli.ts";
import type { AddCommand } from "../frame/commands.ts";
import { withJson } from "../frame/gateway.ts";
import { runOperator } from "../frame/operator.ts";
import type { CommonFlags } from "../frame/run.ts";

export const startCommand: AddCommand = (parent, commands) => {
  withJson(parent.command("start"))
    .description("start the gateway")
    .action(async (flags: CommonFlags) => {
      const { cli } = commands;
      const options = { printsLog: true, command: "start" };
      commands.exitCode = await runOperator(cli, flags, options, async ({ config, log }) => {
        const { runGateway } = await import("../start.ts");
        await runGateway(config, log, cli);
        return EXIT.done;
      });
    });
};
