import type { ConsoleLinkRequest } from "../../../client/ringback.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { durationMs } from "../../frame/values.ts";

interface LinkFlags extends GatewayFlags {
  readonly subscription?: string;
  readonly metadata?: string;
  readonly redeliver?: boolean;
  readonly expires?: number;
  readonly revokeAll?: boolean;
}

export const consoleLinkCommand: AddCommand = (parent, commands) => {
  withGateway(parent.command("console-link"))
    .description("make a link that shows a part of the console to somebody without a key")
    .option("--subscription <id>", "show only this subscription (sub_…)")
    .option("--metadata <key=value>", "show only subscriptions with this in their metadata")
    .option("--redeliver", "let callbacks be sent again through it")
    .option(
      "--expires <time>",
      "when it ends, such as 2h (1h unless given, 24h at most)",
      durationMs,
    )
    .option("--revoke-all", "end all links of the project instead")
    .action(async (flags: LinkFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        flags.revokeAll === true ? revokeAll(flags, run) : create(flags, run),
      );
    });
};

async function create(flags: LinkFlags, { cli, out, signal }: CommandRun): Promise<ExitCode> {
  const { subscription, metadata, redeliver, expires } = flags;
  const request: ConsoleLinkRequest = {
    ...(subscription !== undefined && { subscription_id: subscription }),
    ...(metadata !== undefined && { metadata }),
    ...(redeliver !== undefined && { may_redeliver: redeliver }),
    ...(expires !== undefined && { expires_in_s: Math.ceil(expires / 1000) }),
  };
  const { ringback } = await openGateway(cli, flags);
  const link = await ringback.consoleLinks.create(request, { signal });
  if (out.isJson) out.printJson(link);
  else out.print(link.url);
  return EXIT.done;
}

async function revokeAll(flags: LinkFlags, { cli, out, signal }: CommandRun): Promise<ExitCode> {
  if (flags.subscription !== undefined || flags.metadata !== undefined) {
    throw new CliError("--revoke-all ends all links of the project; leave out what one shows.", {});
  }
  const { ringback } = await openGateway(cli, flags);
  await ringback.consoleLinks.revokeAll({ signal });
  if (out.isJson) out.printJson({ revoked: "all" });
  else out.print("All links that were made until now have ended.");
  return EXIT.done;
}
