import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** The folder that profiles go to, from `--profile`; unset to measure without. */
export const PROFILE_FOLDER = "RINGBACK_BENCH_PROFILE_FOLDER";

/** Where a Node process listens that was asked for its inspector by SIGUSR1. */
const INSPECTOR = "http://127.0.0.1:9229/json/list";
const INSPECTOR_TRIES_MAX = 100;
const SAMPLING_INTERVAL_US = 250;

let profiles = 0;

/**
 * Takes a CPU profile of a Node process for as long as `act` runs, if anybody asked for profiles:
 * only of what is measured, without what a scenario does before and after.
 */
export async function profileWhile<T>(pid: number, act: () => Promise<T>): Promise<T> {
  const folder = process.env[PROFILE_FOLDER];
  if (folder === undefined) return act();
  process.kill(pid, "SIGUSR1");
  const inspector = await Inspector.connect();
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLING_INTERVAL_US });
  await inspector.call("Profiler.start");
  const outcome = await act();
  const { profile } = (await inspector.call("Profiler.stop")) as { readonly profile: object };
  inspector.close();
  profiles += 1;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${pid}-${profiles}.cpuprofile`), JSON.stringify(profile));
  return outcome;
}

/** A client of the Chrome DevTools protocol, for the few calls that are needed. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, (result: unknown) => void>();
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id: number; result: unknown };
      this.#pending.get(id)?.(result);
      this.#pending.delete(id);
    });
  }

  static async connect(): Promise<Inspector> {
    const socket = new WebSocket(await inspectorUrl());
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    return new Inspector(socket);
  }

  call(method: string, params: object = {}): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#pending.set(id, resolve));
  }

  close(): void {
    this.#socket.close();
  }
}

/** The inspector opens a moment after the signal. */
async function inspectorUrl(): Promise<string> {
  for (let tries = 0; tries < INSPECTOR_TRIES_MAX; tries += 1) {
    const url = await fetch(INSPECTOR).then(
      async (response) => {
        const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
        return target?.webSocketDebuggerUrl;
      },
      () => undefined,
    );
    if (url !== undefined) return url;
    await wait(20);
  }
  throw new Error("The process did not open its inspector.");
}
