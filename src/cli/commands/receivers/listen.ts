import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { EVENT_FIXTURE_TYPES } from "../../../testing/testing.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../../frame/gateway.ts";
import { readKeys } from "../../frame/terminal-input.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { durationMs, momentFrom, pairsFrom, someFrom } from "../../frame/values.ts";
import { Listener } from "../../listen/listener.ts";
import { type Target, targetsFrom } from "../../listen/targets.ts";

interface ListenFlags extends GatewayFlags {
  readonly forwardTo?: readonly Target[];
  readonly inbox: string;
  readonly consumer?: string;
  readonly events?: readonly string[];
  readonly header?: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly timeout: number;
  readonly insecure?: boolean;
  readonly printSecret?: boolean;
}

const FORWARD_TIMEOUT_MS = 30_000;

export const listenCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("listen")))
    .description("forward events to a receiver on this machine, signed as callbacks are")
    .action(async (flags: ListenFlags) => {
      const work = flags.printSecret === true ? printSecret : listen;
      commands.exitCode = await runCommand(commands.cli, flags, (run) => work(flags, run), {
        endsBySignal: true,
      });
    });
};

function options(command: Command): Command {
  return command
    .option(
      "--forward-to <[inbox=]url>",
      "where the events go; several times for several receivers or inboxes",
      targetsFrom,
    )
    .option("--inbox <name>", "the inbox to read, which subscriptions name", "dev")
    .option("--consumer <name>", "read as this consumer of the inbox (listen-<host> unless given)")
    .option(
      "--events <types>",
      "between commas; only these are forwarded",
      someFrom(EVENT_FIXTURE_TYPES),
    )
    .option("--header <name=value>", "an extra header of what is forwarded", pairsFrom)
    .option(
      "--from <time>",
      "begin at this time, or so long ago, such as 10m",
      momentFrom(() => Date.now()),
    )
    .option("--timeout <time>", "how long a receiver may take", durationMs, FORWARD_TIMEOUT_MS)
    .option("--insecure", "take any certificate of an https receiver")
    .option("--print-secret", "print the secret that signs the events, and do nothing else");
}

async function printSecret(
  flags: ListenFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { ringback } = await openGateway(cli, flags);
  for await (const { secret, is_current: isCurrent } of ringback.signingSecrets.list({ signal })) {
    if (!isCurrent) continue;
    if (out.isJson) out.printJson({ secret });
    else out.print(secret);
    return EXIT.done;
  }
  throw new CliError("The project has no signing secret.", {
    hint: "POST /v1/signing-secrets/rotate makes one.",
  });
}

async function listen(flags: ListenFlags, run: CommandRun): Promise<ExitCode> {
  const { cli, out, signal } = run;
  const { ringback, url } = await openGateway(cli, flags);
  const consumer =
    flags.consumer ?? `listen-${hostname()}`.replaceAll(/[^\w.-]/g, "-").slice(0, 64);
  const listener = new Listener(
    { ringback, out, url },
    {
      targets: flags.forwardTo ?? [],
      inbox: flags.inbox,
      consumer,
      events: flags.events ?? null,
      from: flags.from ?? null,
      forwarding: {
        headers: flags.header ?? {},
        timeoutMs: flags.timeout,
        isInsecure: flags.insecure === true,
      },
    },
  );
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const keys = readKeys(cli, {
    r: () => void listener.resend(ended),
    d: () => listener.showLast(),
    q: () => stop.abort(),
    "\u0003": () => process.kill(process.pid, "SIGINT"),
  });
  try {
    await listener.run({ signal: ended, sleep: waitFor, now: () => performance.now() }, keys.isOn);
  } finally {
    keys.stop();
  }
  signal.throwIfAborted();
  return EXIT.done;
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
