import { readFileSync } from "node:fs";
import { type Config, describeProblems, loadConfig, secretsOf } from "./config.ts";
import { type StartedGateway, startGateway } from "./gateway/gateway.ts";
import { systemClock } from "./runtime/clock.ts";
import { exitOnUnexpectedError, surviveLostOutput } from "./runtime/process/last-resort.ts";
import { createLog, type Log } from "./runtime/process/log.ts";
import { StartRefusedError } from "./runtime/process/start-refused.ts";
import { systemRandom } from "./runtime/random.ts";
import { migrateOnly } from "./cli/migrate.ts";
import { PROJECT_USAGE, readProjectCommand, runProjectCommand } from "./cli/project.ts";
import { readResealOptions, RESEAL_USAGE, runReseal } from "./cli/reseal.ts";
import { WrongDefinitionsError } from "./gateway/shared-providers.ts";
import { type TryOutcome, tryProvider } from "./cli/try-provider.ts";

const USAGE = `Usage: ringback [command]

  (none)    starts the gateway
  migrate   brings the database of DATABASE_URL up to date and exits; with --distribute, also
            spreads the rows about jobs over the workers of a Citus database
${PROJECT_USAGE}
${RESEAL_USAGE}
  try       shows how a provider definition reads an answer, both from files

Settings come from the environment; docs/reference/settings.md lists them.`;

const EXIT_GRACE_MS = 250;
/** A terminal's Ctrl-C comes twice under npm, which passes on what the whole group has got. */
const SAME_SIGNAL_MS = 50;

const { version } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

// The driver would read it, and check each server by a statement that nothing waits for: its failure
// would end the process. Which servers will do is for DATABASE_URL to say.
delete process.env["PGTARGETSESSIONATTRS"];

/** The only entry: arguments and environment in, exit code out. */
async function main(args: readonly string[]): Promise<number> {
  const [command = "start", ...rest] = args;
  if (command === "--version") return say(version);
  if (command === "--help") return say(USAGE);
  if (command === "try") return print(await tryProvider(rest));
  const project = command === "project" ? readProjectCommand(rest) : null;
  const reseal = command === "reseal" ? readResealOptions(rest) : null;
  const distributes = command === "migrate" && rest.length === 1 && rest[0] === "--distribute";
  const isUnderstood = distributes || (["start", "migrate"].includes(command) && rest.length === 0);
  if (!isUnderstood && project === null && reseal === null) {
    process.stderr.write(`Unknown command: ${args.join(" ")}\n\n${USAGE}\n`);
    return 1;
  }
  const result = loadConfig(process.env, process.stdout.isTTY);
  if (result.kind === "invalid") {
    const lines = [describeProblems(result.problems), ...result.warnings];
    process.stderr.write(`${lines.join("\n")}\n`);
    return 1;
  }
  const { config, warnings } = result;
  const isOperators = project !== null || reseal !== null;
  const level = isOperators ? "warn" : config.log.level;
  const log = createLog({ ...config.log, level, secrets: secretsOf(config) });
  exitOnUnexpectedError(log);
  for (const warning of warnings) log.warn(warning);
  try {
    if (project !== null)
      say(await runProjectCommand(project, config, { clock: systemClock, log }));
    else if (reseal !== null) {
      const { text, allUnderFirstKey } = await runReseal(reseal, config, log);
      return print({ code: allUnderFirstKey ? 0 : 1, text });
    } else if (command === "migrate") await migrateOnly(config, log, distributes);
    else await run(config, log);
    return 0;
  } catch (error) {
    if (error instanceof WrongDefinitionsError) return print({ code: 1, text: error.message });
    if (error instanceof StartRefusedError) log.fatal(error.message);
    else log.fatal({ err: error }, error instanceof Error ? error.message : "unrecoverable error");
    return 1;
  }
}

/** Runs the gateway until a signal stops it; also one that comes while it still starts. */
async function run(config: Config, log: Log): Promise<void> {
  const stop = stopOnSignal(config, log);
  try {
    const gateway = await startGateway({
      config,
      clock: systemClock,
      random: systemRandom,
      log,
      version,
      writesApiKeyFile: !process.stderr.isTTY,
      signal: stop.signal,
    });
    announce(gateway, config.publicUrl, log);
    await stop.asked;
    await gateway.drain(stop.hurried);
    stop.drained();
    await gateway.stop();
  } catch (error) {
    if (error !== stop.signal.reason) throw error;
  } finally {
    stop.disarm();
  }
  log.info("stopped");
}

/**
 * The first signal asks for an orderly stop, which is bounded in time. The next one ends the
 * draining at once, if there is any; then one more means now.
 */
function stopOnSignal({ drainMs, shutdownTimeoutMs }: Config, log: Log) {
  const abort = new AbortController();
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const { promise: hurried, resolve: hurry } = Promise.withResolvers<void>();
  let hardStop: NodeJS.Timeout | undefined;
  let isDraining = false;
  let lastAt = 0;
  const stopWithin = (ms: number): void => {
    clearTimeout(hardStop);
    hardStop = setTimeout(() => {
      log.error("shutdown timed out; aborting in-flight requests");
      process.exit(1);
    }, ms);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    const isSame = abort.signal.aborted && systemClock.monotonic() - lastAt < SAME_SIGNAL_MS;
    lastAt = systemClock.monotonic();
    if (isSame) return;
    if (!abort.signal.aborted) {
      log.info({ signal, drainMs }, "stopping");
      isDraining = drainMs > 0;
      stopWithin(drainMs + shutdownTimeoutMs);
      abort.abort();
      resolve();
    } else if (isDraining) {
      log.info({ signal }, "drain ended early");
      isDraining = false;
      stopWithin(shutdownTimeoutMs);
      hurry();
    } else process.exit(1);
  };
  const drained = (): void => {
    isDraining = false;
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return { signal: abort.signal, asked, hurried, drained, disarm: () => clearTimeout(hardStop) };
}

function announce(gateway: StartedGateway, publicUrl: string | null, log: Log): void {
  const { url, database, generatedApiKey: key, apiKeyFile } = gateway;
  if (apiKeyFile !== null) log.info({ file: apiKeyFile }, "the first API key is in a file");
  log.info({ url, ...(publicUrl && { publicUrl }), version, database }, "Ringback is ready");
  const shownKey =
    apiKeyFile === null ? (key ?? "$RINGBACK_API_KEY") : `$(cat ${quoted(apiKeyFile)})`;
  const lines = [
    "",
    `  Ringback ${version} listens on ${url}`,
    ...(publicUrl === null ? [] : [`  Others reach it at ${publicUrl}`]),
    `  Pages: ${[url, `${url}/docs`, ...(gateway.sandbox ? [`${url}/sandbox`] : [])].join("  ")}`,
    `  Data: ${database}`,
    ...apiKeyLines(key, apiKeyFile),
    ...(gateway.sandbox ? sandboxLines(url, shownKey) : []),
    "",
  ];
  // Not to standard output, which holds the log: on a terminal the key is among these lines.
  process.stderr.write(`${lines.join("\n")}\n`);
}

/** A path as one word for a shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function apiKeyLines(key: string | null, file: string | null): string[] {
  if (file !== null) return [`  API key: in ${file}`];
  return key === null ? [] : [`  API key, shown this once: ${key}`];
}

/** Something to paste that shows the whole loop. */
function sandboxLines(url: string, key: string): string[] {
  return [
    "",
    "  Try it: a job of the sandbox, called back into its inbox.",
    "",
    `  JOB=$(curl -s -X POST ${url}/sandbox/jobs -H "authorization: Bearer ${key}" | sed 's/.*"job_id":"\\([^"]*\\)".*/\\1/')`,
    `  curl -s ${url}/v1/subscriptions -H "authorization: Bearer ${key}" \\`,
    `    -H 'content-type: application/json' \\`,
    `    -d '{"provider":"sandbox","job_id":"'$JOB'","callback_url":"${url}/sandbox/inbox"}'`,
    `  sleep 6; curl -s ${url}/sandbox/inbox`,
  ];
}

function print({ code, text }: TryOutcome): number {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

surviveLostOutput();
process.exitCode = await main(process.argv.slice(2));
// What a library still holds open, such as an attempt to connect, keeps nothing alive that has ended.
setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
