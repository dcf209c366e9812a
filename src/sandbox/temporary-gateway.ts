import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { builtModule } from "../runtime/process/module-loading.ts";

/** A gateway as a user runs it, on a free port, whose database goes with it. */
export interface TemporaryGateway {
  readonly url: string;
  readonly apiKey: string;
  readonly pid: number;
  /** Waits until it has stopped; its data is gone then. */
  stop(): Promise<void>;
}

interface GatewayStart {
  /** The environment it inherits, without what concerns a gateway: a real database is not touched. */
  readonly env: NodeJS.ProcessEnv;
  readonly settings?: Readonly<Record<string, string>>;
  readonly isReady: (url: string) => Promise<boolean>;
  readonly signal: AbortSignal;
}

const OWN_SETTINGS = /^(RINGBACK_|PULSE_|DATABASE_URL$|DATA_DIR$|HOST$|PORT$|LOG_)/;
const MAIN = fileURLToPath(builtModule(new URL("../main.ts", import.meta.url)));
const READY_INTERVAL_MS = 100;
const STOP_MS_MAX = 12_000;
const OUTPUT_CHARACTERS_MAX = 4000;
const ATTEMPTS_MAX = 3;

/**
 * Starts a gateway and waits until it is ready.
 * @throws when it exits or is not ready before the signal; the message ends with what it printed
 */
export async function startTemporaryGateway(start: GatewayStart): Promise<TemporaryGateway> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnFreePort(start);
    } catch (error) {
      // Another process may take the port before the gateway listens on it.
      const isPortTaken = error instanceof Error && error.message.includes("EADDRINUSE");
      if (!isPortTaken || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function startOnFreePort(start: GatewayStart): Promise<TemporaryGateway> {
  const directory = await mkdtemp(join(tmpdir(), "ringback-"));
  // As root, Postgres runs as another user, who has to get in.
  await chmod(directory, 0o711);
  const apiKey = start.settings?.["RINGBACK_API_KEY"] ?? `rb_${randomBytes(24).toString("hex")}`;
  const port = await findFreePort();
  const gateway = spawnGateway(start, {
    DATA_DIR: join(directory, "data"),
    PORT: String(port),
    RINGBACK_API_KEY: apiKey,
    LOG_FORMAT: "json",
  });
  const output = keepOutput(gateway);
  const stop = async (): Promise<void> => {
    await stopProcess(gateway);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitUntilReady(gateway, url, start);
    return { url, apiKey, pid: gateway.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw new Error(`The gateway did not start. It printed:\n${output()}`, { cause: error });
  }
}

function spawnGateway(
  { env, settings }: GatewayStart,
  own: Readonly<Record<string, string>>,
): ChildProcess {
  const inherited = Object.entries(env).filter(([name]) => !OWN_SETTINGS.test(name));
  return spawn(process.execPath, [MAIN], {
    env: { ...Object.fromEntries(inherited), ...own, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C reaches its parent alone, which then stops it in order.
    detached: true,
  });
}

async function waitUntilReady(
  gateway: ChildProcess,
  url: string,
  { isReady, signal }: GatewayStart,
): Promise<void> {
  while (!(await isReady(url))) {
    if (hasExited(gateway)) throw new Error("The gateway exited.");
    await wait(READY_INTERVAL_MS, undefined, { signal });
  }
}

/** SIGTERM, and if that is not enough SIGKILL to it and its Postgres. */
async function stopProcess(gateway: ChildProcess): Promise<void> {
  if (gateway.pid === undefined || hasExited(gateway)) return;
  const exited = once(gateway, "exit");
  gateway.kill("SIGTERM");
  const outcome = await Promise.race([exited, wait(STOP_MS_MAX, "late" as const, { ref: false })]);
  if (outcome !== "late") return;
  process.kill(-gateway.pid, "SIGKILL");
  await exited;
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Reads what the process prints, for it would block otherwise, and keeps the end. */
function keepOutput(child: ChildProcess): () => string {
  let kept = "";
  const keep = (chunk: string): void => {
    kept = (kept + chunk).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout?.setEncoding("utf8").on("data", keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  child.on("error", (error) => keep(error.message));
  return () => kept;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("No free port was found.");
  return address.port;
}
