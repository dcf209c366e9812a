import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { HolderReport } from "./hold-data-dir.ts";

const PROGRAM = fileURLToPath(new URL("hold-data-dir.ts", import.meta.url));

/** A process that runs an embedded Postgres on a data directory. */
export interface Holder {
  readonly pid: number;
  /** The next thing it reports. */
  readonly next: () => Promise<HolderReport>;
  /** Sends a signal to the process, or as a terminal does, to its whole group. */
  readonly kill: (signal: NodeJS.Signals, to: "process" | "group") => void;
  /** Kills it as `kill -9` does, unless it is gone, and waits for its end. */
  readonly end: () => Promise<void>;
}

/** Starts one as this user, or as another: it becomes that one itself, once its modules are read. */
export function startHolder(dataDir: string, uid?: number): Holder {
  const child = spawn(
    process.execPath,
    [PROGRAM, dataDir, ...(uid === undefined ? [] : [String(uid)])],
    {
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
      // As in a container, where HOME is not set.
      env: { PATH: process.env["PATH"] },
    },
  );
  const pid = child.pid ?? 0;
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid,
    async next() {
      const line = await lines.next();
      if (line.done === true) throw new Error("the process ended without a report");
      return JSON.parse(line.value) as HolderReport;
    },
    kill: (signal, to) => process.kill(to === "group" ? -pid : pid, signal),
    async end() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
