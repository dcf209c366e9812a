import { Argument } from "commander";
import type { Command } from "commander";
import type { CallbackEventType } from "../../../receiver/event.ts";
import { EVENT_FIXTURE_TYPES, eventFixture, signedRequest } from "../../../testing/testing.ts";
import { type Cli, CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { durationMs, objectTextFrom, pairsFrom, urlFrom } from "../../frame/values.ts";
import { printExchange } from "../../listen/exchanges.ts";
import { forward } from "../../listen/forward.ts";

interface TriggerFlags extends GatewayFlags {
  readonly to: string;
  /** JSON of an object. */
  readonly data?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly timeout: number;
}

const TIMEOUT_MS = 15_000;

export const triggerCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("trigger")))
    .description("send a signed sample of an event to a receiver")
    .addArgument(new Argument("<event>", "type of the event").choices(EVENT_FIXTURE_TYPES))
    .action(async (type: CallbackEventType, flags: TriggerFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => trigger(type, flags, run));
    });
};

function options(command: Command): Command {
  return command
    .requiredOption("--to <url>", "the receiver", urlFrom)
    .option(
      "--data <json>",
      "members that replace those of the event's data, or are added",
      objectTextFrom,
    )
    .option("--header <name=value>", "an extra header", pairsFrom)
    .option("--timeout <time>", "how long the receiver may take", durationMs, TIMEOUT_MS)
    .addHelpText(
      "after",
      "\nIt is signed with WEBHOOK_SECRET or RINGBACK_SIGNING_SECRET, else with the project's secret, which the\n" +
        "gateway is asked for. Exit code 1 unless the receiver answers 2xx.",
    );
}

async function trigger(
  type: CallbackEventType,
  flags: TriggerFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const secret = await signingSecret(cli, flags, signal);
  const body = eventFixture(type, flags.data);
  const request = signedRequest(body, secret, { url: flags.to });
  const headers = Object.fromEntries(request.headers);
  const { to: url, timeout: timeoutMs, header = {} } = flags;
  const options = { url, headers: header, timeoutMs, isInsecure: false };
  const outcome = await forward({ headers, body }, options);
  const id = headers["webhook-id"] ?? "";
  const message = { webhook_id: id, headers, body, cursor: "" };
  printExchange({ inbox: "", before: "", message, url, outcome, isRepeated: false }, out, true);
  if (outcome.status !== null && outcome.status >= 200 && outcome.status <= 299) return EXIT.done;
  if (outcome.status === 400 || outcome.status === 401) {
    out.note(
      "A receiver that refuses the signature may have another secret: see ringback listen --print-secret.",
    );
  }
  return EXIT.failed;
}

async function signingSecret(cli: Cli, flags: TriggerFlags, signal: AbortSignal): Promise<string> {
  for (const name of ["WEBHOOK_SECRET", "RINGBACK_SIGNING_SECRET"]) {
    const secret = cli.env[name]?.trim() ?? "";
    if (secret !== "") return secret;
  }
  const { ringback } = await openGateway(cli, flags);
  for await (const { secret, is_current: isCurrent } of ringback.signingSecrets.list({ signal })) {
    if (isCurrent) return secret;
  }
  throw new CliError("The project has no signing secret.", {
    hint: "Set WEBHOOK_SECRET to the one that the receiver has.",
  });
}
