import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Redelivery, RedeliveryRequest, Ringback } from "../../../client/ringback.ts";
import {
  ATTEMPT_ERROR_CODES,
  type AttemptErrorCode,
} from "../../../core/delivery/delivery-outcome.ts";
import { EVENT_TYPES, type EventType } from "../../../core/delivery/event.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { type Output, shown } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { momentFrom, numberFrom, oneFrom } from "../../frame/values.ts";

interface RedeliverFlags extends GatewayFlags {
  readonly status?: RedeliveryRequest["status"];
  readonly event?: EventType;
  readonly error?: AttemptErrorCode;
  readonly origin?: string;
  readonly after?: string;
  readonly before?: string;
  readonly perSecond?: number;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

const STATUSES = ["exhausted", "delivered", "gone", "pending"] as const;
const PER_SECOND_MAX = 10_000;
const LOOK_MS = 500;

export const redeliverCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("redeliver")))
    .description("send a callback again, or all that a filter matches, with the same webhook-id")
    .argument("[delivery]", "msg_…; instead of a filter")
    .action(async (delivery: string | undefined, flags: RedeliverFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        delivery === undefined ? redeliverAll(flags, run) : redeliverOne(delivery, flags, run),
      );
    });
};

function options(command: Command): Command {
  const moment = momentFrom(() => Date.now());
  return command
    .option("--status <status>", `filter: ${STATUSES.join(", ")}`, oneFrom(STATUSES))
    .option("--event <type>", "filter: the type of the event", oneFrom(EVENT_TYPES))
    .option("--error <code>", "filter: why the latest attempt failed", oneFrom(ATTEMPT_ERROR_CODES))
    .option("--origin <origin>", "filter: scheme, host and port of the receiver")
    .option("--after <time>", "filter: created later than this, or so long ago, such as 2h", moment)
    .option("--before <time>", "filter: created earlier", moment)
    .option("--per-second <n>", "how fast", numberFrom(0.01, PER_SECOND_MAX))
    .option("--dry-run", "only count what the filter matches, or show the delivery")
    .option("--detach", "do not wait until all of them are due again");
}

async function redeliverOne(
  id: string,
  { dryRun = false, ...flags }: RedeliverFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  if (
    flags.status !== undefined ||
    flags.event !== undefined ||
    flags.error !== undefined ||
    flags.origin !== undefined
  ) {
    throw new CliError("Give either a delivery or a filter, not both.", {});
  }
  const { ringback } = await openGateway(cli, flags);
  const { deliveries } = ringback;
  const found = await (dryRun
    ? deliveries.get(id, { signal })
    : deliveries.redeliver(id, { signal }));
  if (out.isJson) out.printJson(found);
  else {
    const target = found.callback_origin ?? `inbox ${found.inbox}`;
    const done = dryRun ? "would be sent again" : "is sent again";
    out.print(shown(`${id}  ${found.event_type} to ${target} ${done}; it is ${found.status}.`));
  }
  return EXIT.done;
}

async function redeliverAll(
  flags: RedeliverFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { status, event, error, origin, after, before, perSecond, dryRun = false } = flags;
  if (status === undefined) {
    throw new CliError("Say what to send again: a delivery (msg_…), or a filter with --status.", {
      hint: "To send again the deliveries that were exhausted in the last two hours: ringback redeliver --status exhausted --after 2h --dry-run.",
    });
  }
  const { ringback } = await openGateway(cli, flags);
  const request: RedeliveryRequest = {
    status,
    dry_run: dryRun,
    ...(event !== undefined && { event_type: event }),
    ...(error !== undefined && { error_code: error }),
    ...(origin !== undefined && { callback_origin: origin }),
    ...(after !== undefined && { created_after: after }),
    ...(before !== undefined && { created_before: before }),
    ...(perSecond !== undefined && { deliveries_per_second: perSecond }),
  };
  const begun = await ringback.redeliveries.create(request, { signal });
  const last = flags.detach === true ? begun : await watch(ringback, begun, out, signal);
  print(last, out);
  return EXIT.done;
}

/** Waits until it is over. At Ctrl-C it goes on by itself. */
async function watch(
  ringback: Ringback,
  begun: Redelivery,
  out: Output,
  signal: AbortSignal,
): Promise<Redelivery> {
  let redelivery = begun;
  try {
    for (;;) {
      out.progress(`${redelivery.matched} found, ${redelivery.redelivered} sent again …`);
      if (redelivery.state !== "running") return redelivery;
      await sleep(LOOK_MS, undefined, { signal });
      redelivery = await ringback.redeliveries.get(begun.id, { signal });
    }
  } catch (error) {
    if (signal.aborted) out.note(`It goes on without this command: ${begun.id}`);
    throw error;
  } finally {
    out.progress(null);
  }
}

function print(redelivery: Redelivery, out: Output): void {
  if (out.isJson) return out.printJson(redelivery);
  const { id, state, dry_run: isDry, matched, redelivered, skipped } = redelivery;
  const count = (deliveries: number): string =>
    `${deliveries} ${deliveries === 1 ? "delivery" : "deliveries"}`;
  if (isDry) out.print(`${count(matched)} would be sent again.`);
  else if (state === "running") out.print(`${id} has begun. See: ringback list redeliveries`);
  else {
    const rest = skipped === 0 ? "" : `; ${skipped} not: deleted, or changed in the meantime`;
    out.print(`Sent again: ${count(redelivered)} of ${matched} found${rest}.`);
  }
}
