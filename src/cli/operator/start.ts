import { getHeapStatistics } from "node:v8";
import type { Config } from "../../config.ts";
import { type StartedGateway, startGateway } from "../../gateway/gateway.ts";
import { systemClock } from "../../runtime/clock.ts";
import { HeapAtRest, type ObservedProcess, shrinkHeap } from "../../runtime/process/heap.ts";
import { saveCompiled } from "../../runtime/process/module-loading.ts";
import type { Log } from "../../runtime/process/log.ts";
import { systemRandom } from "../../runtime/runtime.ts";
import type { Cli } from "../frame/cli.ts";

/**
 * A terminal's Ctrl-C comes twice under npm, which passes on what the whole group has got. On a busy
 * machine some time lies between the two, and a person takes longer to press it again.
 */
const SAME_SIGNAL_MS = 500;
/** SIGHUP comes from a terminal that closes. `nohup` does not keep it away: Node takes up ignored signals again. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** The first requests after a start don't wait for it. */
const SAVE_COMPILED_AFTER_MS = 10_000;

/** Runs the gateway until a signal stops it; also one that comes while it still starts. */
export async function runGateway(config: Config, log: Log, cli: Cli): Promise<void> {
  const stop = stopOnSignal(config, log, cli);
  const heap = new HeapAtRest({ clock: systemClock, log, random: systemRandom }, THIS_PROCESS);
  try {
    const gateway = await startGateway({
      config,
      clock: systemClock,
      random: systemRandom,
      log,
      version: cli.version,
      writesApiKeyFile: cli.stderr.isTTY !== true,
      signal: stop.signal,
    });
    announce(gateway, config.publicUrl, { cli, log });
    setTimeout(saveCompiled, SAVE_COMPILED_AFTER_MS).unref();
    await heap.start();
    await stop.asked;
    await gateway.drain(stop.hurried);
    stop.drained();
    await gateway.stop();
  } catch (error) {
    if (error !== stop.signal.reason) throw error;
  } finally {
    stop.disarm();
    await heap.stop();
  }
  log.info("stopped");
}

const THIS_PROCESS: ObservedProcess = {
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  heap() {
    const { total_heap_size: totalBytes, used_heap_size: usedBytes } = getHeapStatistics();
    return { totalBytes, usedBytes };
  },
  shrinkHeap,
};

/**
 * The first signal asks for an orderly stop, which is bounded in time. The next one ends the
 * draining at once, if there is any; then one more means now.
 */
function stopOnSignal({ drainMs, shutdownTimeoutMs }: Config, log: Log, cli: Cli) {
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
      cli.exit(1);
    }, ms);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    const isSame = abort.signal.aborted && systemClock.monotonic() - lastAt < SAME_SIGNAL_MS;
    if (isSame) return;
    lastAt = systemClock.monotonic();
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
    } else cli.exit(1);
  };
  const drained = (): void => {
    isDraining = false;
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  return { signal: abort.signal, asked, hurried, drained, disarm: () => clearTimeout(hardStop) };
}

function announce(
  gateway: StartedGateway,
  publicUrl: string | null,
  { cli, log }: { readonly cli: Cli; readonly log: Log },
): void {
  const { version } = cli;
  const { url, database, generatedApiKey: key, apiKeyFile } = gateway;
  if (key !== null && apiKeyFile !== null)
    log.info({ file: apiKeyFile }, "the first API key is in a file");
  log.info({ url, ...(publicUrl && { publicUrl }), version, database }, "Ringback is ready");
  const shownKey =
    apiKeyFile === null ? (key ?? "$RINGBACK_API_KEY") : `$(cat ${quoted(apiKeyFile)})`;
  const lines = [
    "",
    `  Ringback ${version} listens on ${url}`,
    ...(publicUrl === null ? [] : [`  Others reach it at ${publicUrl}`]),
    `  Pages: ${[url, `${url}/docs`, ...(gateway.sandbox ? [`${url}/sandbox`] : [])].join("  ")}`,
    ...consoleLines(gateway),
    `  Data: ${database}`,
    ...apiKeyLines(key, apiKeyFile),
    ...(gateway.sandbox ? sandboxLines(url, shownKey) : []),
    "",
  ];
  // Not to standard output, which holds the log: on a terminal the key is among these lines.
  cli.stderr.write(`${lines.join("\n")}\n`);
}

/** A path as one word for a shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function apiKeyLines(key: string | null, file: string | null): string[] {
  // By now it may be revoked.
  if (key === null && file !== null) return [`  API key of the first start: in ${file}`];
  if (file !== null) return [`  API key: in ${file}`];
  return key === null ? [] : [`  API key, shown this once: ${key}`];
}

/**
 * The first start has a key, so it has a link that signs in without one. Like the key, it is for a
 * terminal only: standard error may be kept as a log.
 */
function consoleLines({ console: web, apiKeyFile }: StartedGateway): string[] {
  if (web === null) return [];
  if (web.signInUrl === null || apiKeyFile !== null) return [`  Console: ${web.url}`];
  return [`  Console, signed in by this link once, within 15 minutes: ${web.signInUrl}`];
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
