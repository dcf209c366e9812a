import type { Command } from "commander";
import type { NewSubscription, ReadAnswer, WatchOptions } from "../../../client/ringback.ts";
import { subscriptionTo } from "../../../client/watching.ts";
import { EVENT_TYPES, type EventType } from "../../../core/delivery/event.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type Output, shown } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import {
  longDurationMs,
  objectTextFrom,
  oneFrom,
  pairsFrom,
  someFrom,
  urlFrom,
} from "../../frame/values.ts";
import { printEnding, waitForJob } from "./ending.ts";

interface SubscribeFlags extends GatewayFlags {
  readonly callbackUrl?: string;
  readonly inbox?: string;
  readonly provider?: string;
  readonly connection?: string;
  readonly events?: EventType[];
  readonly payload?: "full" | "thin";
  /** JSON of an object. */
  readonly metadata?: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly header?: Readonly<Record<string, string>>;
  readonly deadline?: number;
  readonly fetchResult?: boolean;
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
}

export const subscribeCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("subscribe")))
    .description("be called back when a job ends")
    .argument("<job>", "id of the job, as its provider gave it")
    .action(async (job: string, flags: SubscribeFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        subscribe(job, flags, run),
      );
    });
};

function options(command: Command): Command {
  return command
    .option("--callback-url <url>", "where the signed callback goes", urlFrom)
    .option("--inbox <name>", "keep the event in an inbox, to be read, instead of a callback")
    .option("--provider <name>", "whose job it is (pulse unless given)")
    .option("--connection <name>", "the credential to ask with (default unless given)")
    .option("--events <types>", `between commas: ${EVENT_TYPES.join(", ")}`, someFrom(EVENT_TYPES))
    .option(
      "--payload <kind>",
      "full, or thin for a link in place of the result",
      oneFrom(["full", "thin"]),
    )
    .option("--metadata <json>", "an object that every callback gives back", objectTextFrom)
    .option(
      "--param <name=value>",
      "what the provider's requests need besides the job id",
      pairsFrom,
    )
    .option("--header <name=value>", "an extra header of the callbacks", pairsFrom)
    .option("--deadline <time>", "give the job up after this time, such as 2h", longDurationMs)
    .option("--fetch-result", "fetch and store a result that is a link")
    .option("--idempotency-key <key>", "makes the same command harmless to repeat")
    .option("--wait", "then wait until the job has ended, as ringback wait does");
}

async function subscribe(
  job: string,
  flags: SubscribeFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const target = targetOf(flags);
  const { ringback } = await openGateway(cli, flags);
  const call = { signal, idempotencyKey: flags.idempotencyKey };
  const bodyText = bodyOf(subscriptionTo(job, { ...target, ...watchOptionsOf(flags) }), flags);
  const spec = { path: "/v1/subscriptions", bodyText, isRepeatable: true };
  const answer = await ringback.read<NewSubscription>({ method: "POST", ...spec }, call);
  const subscription = answer.value;
  for (const { message } of subscription.warnings) {
    out.note(`${out.paintNote("yellow", "Warning:")} ${shown(message)}`);
  }
  if (flags.wait !== true) {
    print(answer, out);
    return EXIT.done;
  }
  if (!out.isJson) print(answer, out);
  const ending = await waitForJob({ ringback, out, signal }, subscription.id, { timeoutMs: null });
  return printEnding(ending, out);
}

function targetOf({
  callbackUrl,
  inbox,
}: SubscribeFlags): Pick<WatchOptions, "callbackUrl" | "inbox"> {
  if (callbackUrl !== undefined && inbox === undefined) return { callbackUrl };
  if (inbox !== undefined && callbackUrl === undefined) return { inbox };
  throw new CliError("Give either --callback-url or --inbox.", {
    hint: "With --callback-url, the gateway calls; with --inbox, you read the event: ringback inbox read.",
  });
}

function watchOptionsOf(flags: SubscribeFlags): WatchOptions {
  const { provider, connection, events, payload, param, header, deadline } = flags;
  return {
    ...(provider !== undefined && { provider }),
    ...(connection !== undefined && { connection }),
    ...(events !== undefined && { events }),
    ...(payload !== undefined && { payload }),
    ...(param !== undefined && { params: param }),
    ...(header !== undefined && { headers: header }),
    ...(deadline !== undefined && { deadlineS: Math.ceil(deadline / 1000) }),
    ...(flags.fetchResult === true && { fetchResult: true }),
  };
}

/** With the metadata as it was written, digit by digit. */
function bodyOf(fields: object, { metadata }: SubscribeFlags): string {
  const text = JSON.stringify(fields);
  return metadata === undefined ? text : `{"metadata":${metadata},${text.slice(1)}`;
}

function print({ value: subscription, text }: ReadAnswer<NewSubscription>, out: Output): void {
  if (out.isJson) return out.printJson(text);
  const { id, job_id: job, provider, connection, callback_url: url, inbox } = subscription;
  const target = url ?? `inbox ${inbox}`;
  out.print(shown(`${id}  ${job} at ${provider}/${connection} → ${target}`));
}
