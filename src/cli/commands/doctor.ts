import type { Ringback } from "../../client/ringback.ts";
import { RingbackError } from "../../client/ringback.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../frame/gateway.ts";
import { refusedNode } from "../frame/operator.ts";
import { type CommandRun, runCommand } from "../frame/run.ts";
import { urlFrom } from "../frame/values.ts";
import {
  type Check,
  failed,
  ok,
  printCheck,
  skipped,
  type Verdict,
  warning,
} from "../frame/verdicts.ts";

interface DoctorFlags extends GatewayFlags {
  readonly receiver?: string;
}

/** Receivers refuse a signature that is five minutes off. */
const CLOCK_OFF_MS_MAX = 60_000;

export const doctorCommand: AddCommand = (parent, commands) => {
  withGateway(parent.command("doctor"))
    .description(
      "check settings, database, clock, egress, the gateway and a receiver, with what to do",
    )
    .option("--receiver <url>", "also send a test event to this receiver", urlFrom)
    .addHelpText("after", "\nExit code 1 if any check failed. Nothing is changed.")
    .action(async (flags: DoctorFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) => doctor(flags, run));
    });
};

async function doctor(flags: DoctorFlags, run: CommandRun): Promise<ExitCode> {
  const verdicts = new Set<Verdict>();
  const report = (check: Check): void => {
    verdicts.add(check.verdict);
    printCheck(check, run.out);
  };
  const gateway = await findRunning(flags, run);
  for await (const check of machineChecks(
    run,
    gateway.ringback === null ? flags.receiver : undefined,
  )) {
    report(check);
  }
  report(gateway.check);
  if (gateway.ringback !== null) {
    for await (const check of gatewayChecks(gateway.ringback, flags.receiver, run.signal))
      report(check);
  }
  return verdicts.has("failed") ? EXIT.failed : EXIT.done;
}

async function* machineChecks(
  { cli }: CommandRun,
  receiver: string | undefined,
): AsyncGenerator<Check> {
  const tooOld = refusedNode("doctor");
  if (tooOld !== null) {
    yield skipped("machine", `${tooOld.message} Only a gateway elsewhere is looked at.`);
    return;
  }
  yield ok("node", `Node ${process.versions.node} runs the gateway.`);
  const { checkMachine } = await import("../operator/doctor.ts");
  yield* checkMachine(cli.env, { receiver: receiver ?? null });
}

/** Whether the gateway is ready, and a client of it; null when there is none to talk to. */
async function findRunning(
  flags: DoctorFlags,
  { cli, signal }: CommandRun,
): Promise<{ readonly ringback: Ringback | null; readonly check: Check }> {
  let access;
  try {
    access = await openGateway(cli, flags);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const check =
      error.exitCode === EXIT.unauthorized
        ? skipped("gateway", error.message, error.hint)
        : failed("gateway", error.message, error.hint ?? "");
    return { ringback: null, check };
  }
  const { ringback, url } = access;
  try {
    await ringback.health({ signal });
    await ringback.ready({ signal });
    return { ringback, check: ok("gateway", `The gateway at ${url} is ready.`) };
  } catch (error) {
    if (!(error instanceof RingbackError)) throw error;
    if (error.status !== null) {
      const action = "Its log says more; see docs/operations.md.";
      return { ringback, check: failed("gateway", `${url}: ${error.message}`, action) };
    }
    const isNamed =
      flags.url !== undefined ||
      flags.profile !== undefined ||
      (cli.env["RINGBACK_URL"] ?? "") !== "";
    const finding = isNamed ? failed : warning;
    const check = finding(
      "gateway",
      `None answers at ${url}.`,
      "Start it, or give its address with --url.",
    );
    return { ringback: null, check };
  }
}

async function* gatewayChecks(
  ringback: Ringback,
  receiver: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Check> {
  yield await keyCheck(ringback, signal);
  yield await clockCheck(ringback, signal);
  if (receiver !== undefined) yield await receiverCheck(ringback, receiver, signal);
}

async function keyCheck(ringback: Ringback, signal: AbortSignal): Promise<Check> {
  try {
    const { name } = await ringback.project({ signal });
    return ok("API key", `It has all rights on the project ${name}.`);
  } catch (error) {
    if (!(error instanceof RingbackError)) throw error;
    if (error.status === 403) return ok("API key", "It works; it is not one with all rights.");
    return failed(
      "API key",
      error.message,
      "Check RINGBACK_API_KEY or the profile; ringback login saves a key.",
    );
  }
}

/** Verifying signatures on this machine requires a clock close to the gateway's. */
async function clockCheck(ringback: Ringback, signal: AbortSignal): Promise<Check> {
  const { headers } = await ringback.send({ method: "GET", path: "/healthz" }, { signal });
  const date = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(date)) return skipped("clock", "The gateway's answer has no date.");
  const offS = Math.round((Date.now() - date) / 1000);
  const text = `This machine is ${Math.abs(offS)} s ${offS < 0 ? "behind" : "ahead of"} the gateway.`;
  return Math.abs(offS) * 1000 <= CLOCK_OFF_MS_MAX
    ? ok("clock", text)
    : warning(
        "clock",
        text,
        "Set the clock: a receiver here refuses signatures that are 5 minutes off.",
      );
}

async function receiverCheck(ringback: Ringback, url: string, signal: AbortSignal): Promise<Check> {
  try {
    const { delivered, response, error } = await ringback.testCallback(
      { callback_url: url },
      { signal },
    );
    if (delivered) return ok("receiver", `${url} took a signed test event (${response?.status}).`);
    const answered =
      response === null ? (error?.message ?? "no answer") : `it answered ${response.status}`;
    return failed(
      "receiver",
      `${url} did not take a signed test event: ${answered}.`,
      "It has to answer 2xx in time. Check its secret, and that nothing changes the body before it verifies.",
    );
  } catch (error) {
    if (!(error instanceof RingbackError)) throw error;
    const action =
      error.code === "callback_url_refused"
        ? "Callbacks go to public https addresses, and to what RINGBACK_EGRESS_ALLOW allows."
        : "Try again in a moment.";
    return failed("receiver", `${url}: ${error.message}`, action);
  }
}
