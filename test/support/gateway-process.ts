import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, vi } from "vitest";
import type { TestContext } from "vitest";
import { LAST_RESORT } from "../../src/runtime/process/fatal-errors.ts";
import { type Api, apiOf, askUntil, type Json } from "./api-client.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
/** Starting takes half the time when Node need not strip every file again. */
const COMPILE_CACHE = join(tmpdir(), "ringback-test-compile-cache");

/** Several gateways that start at once on a busy machine take their time. */
const LOG_TIMEOUT_MS = 120_000;

/** How a process ended. */
export interface ProcessExit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Everything it printed, on standard output and standard error. */
  readonly output: string;
}

/** A program that runs, or ran. */
export interface RunningProcess {
  readonly pid: number;
  /** Everything printed so far. */
  readonly output: () => string;
  /** The first line of the log with this message, as soon as it is there. */
  readonly logged: (message: string) => Promise<Json>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves when it has ended, and all of its output is read. */
  readonly exit: Promise<ProcessExit>;
  /** Ends it as `kill -9` does, unless it is gone; resolves when it is. */
  readonly crash: () => Promise<void>;
}

/** A gateway that is ready. */
export interface GatewayProcess extends RunningProcess {
  readonly url: string;
  readonly api: Api;
  /** Asks again and again until the answer is as wished; there is no event to wait for. */
  readonly until: (path: string, isReached: (body: Json) => boolean) => Promise<Json>;
  /** The value of a metric, over all its labels. */
  readonly metric: (name: string) => Promise<number>;
  /** Sends SIGTERM and waits for the end. */
  readonly stop: () => Promise<ProcessExit>;
}

const running = new Set<ChildProcess>();
/** Reports of processes that ended by the last resort: a bug, whatever the test expects of them. */
const unexpected: string[] = [];
afterAll(() => {
  if (unexpected.length > 0) throw new Error(`A gateway ended:\n${unexpected.join("\n")}`);
});

/** For the test of the last resort itself: takes out the lines it has caused. */
export function takeLastResorts(): string[] {
  return unexpected.splice(0);
}

// Whatever becomes of the test run, no gateway is left behind.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Runs `src/main.ts` with nothing but this environment, in the project or in a copy of it. */
export function runMain(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  project: string = PROJECT,
): RunningProcess {
  const child = spawn(process.execPath, [join(project, "src", "main.ts"), ...args], {
    cwd: project,
    env: {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      LOG_FORMAT: "json",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  let unfinishedLine = "";
  const lines: Json[] = [];
  const read = (chunk: string): void => {
    output += chunk;
    const texts = (unfinishedLine + chunk).split("\n");
    unfinishedLine = texts.pop() ?? "";
    for (const text of texts) {
      if (text.includes(LAST_RESORT)) unexpected.push(text);
      if (text.startsWith("{")) lines.push(JSON.parse(text));
    }
  };
  child.stdout.setEncoding("utf8").on("data", read);
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const exit = once(child, "close").then(([code, signal]): ProcessExit => {
    running.delete(child);
    return { code, signal, output };
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    logged: (message) =>
      vi.waitFor(
        () => {
          const line = lines.find(({ msg }) => msg === message);
          if (line === undefined) throw new Error(`"${message}" was not logged`);
          return line;
        },
        { timeout: LOG_TIMEOUT_MS, interval: 10 },
      ),
    kill: (signal) => void child.kill(signal),
    exit,
    async crash() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** A process that has begun to start becomes a gateway; throws with its output if it does not. */
export async function whenReady(started: RunningProcess): Promise<GatewayProcess> {
  const ended = started.exit.then((): never => {
    throw new Error("It ended.");
  });
  const { url } = await Promise.race([started.logged("Ringback is ready"), ended]).catch(
    (cause: unknown) => {
      const message = `The gateway did not start. It printed:\n${started.output()}`;
      throw new Error(message, { cause });
    },
  );
  const api = apiOf(url);
  return {
    ...started,
    url,
    api,
    until: (path, isReached) => askUntil(api, path, isReached),
    metric: async (name) => metricOf((await api("GET", "/metrics")).text, name),
    stop() {
      started.kill("SIGTERM");
      return started.exit;
    },
  };
}

/** Sums the series of a metric in Prometheus's text format. */
function metricOf(text: string, name: string): number {
  const series = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm");
  return [...text.matchAll(series)].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Starts processes that end with the test they are of, however that ends. */
export interface TestProcesses {
  readonly run: (
    context: TestContext,
    env: Readonly<Record<string, string>>,
    args?: readonly string[],
    project?: string,
  ) => RunningProcess;
  readonly start: (
    context: TestContext,
    env: Readonly<Record<string, string>>,
  ) => Promise<GatewayProcess>;
}

/** Call at the top of a test file, after what must outlive the processes. */
export function useGatewayProcesses(): TestProcesses {
  const byTest = new Map<string, RunningProcess[]>();
  afterEach(async ({ task }) => {
    const processes = byTest.get(task.id) ?? [];
    byTest.delete(task.id);
    await Promise.all(processes.map((one) => one.crash()));
  });
  const run: TestProcesses["run"] = ({ task }, env, args, project) => {
    const started = runMain(env, args, project);
    byTest.set(task.id, [...(byTest.get(task.id) ?? []), started]);
    return started;
  };
  return { run, start: (context, env) => whenReady(run(context, env)) };
}
