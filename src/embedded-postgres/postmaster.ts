import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { readFile, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";

/** The content of `postmaster.pid` in a data directory. */
type Postmaster =
  | { readonly kind: "none" }
  /** The file names a process that is gone, or is something else by now. */
  | { readonly kind: "stale"; readonly pid: number }
  /** It runs; `port` is null for a moment at its start. */
  | { readonly kind: "running"; readonly pid: number; readonly port: number | null };

export async function findPostmaster(data: string): Promise<Postmaster> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number.parseInt(lines[0] ?? "", 10);
  if (!(pid > 0)) return { kind: "none" };
  if (!isProcessAlive(pid) || !(await isPostmasterOf(data, pid))) return { kind: "stale", pid };
  const port = Number.parseInt(lines[3] ?? "", 10);
  return { kind: "running", pid, port: port > 0 ? port : null };
}

/**
 * Postgres refuses to start when the pid in a stale file now belongs to another process.
 * It takes its grandparent's, which is this process, for stale; the rest of the file is left as it
 * is, because with it Postgres finds orphans of the old server that still use the data.
 * Looks and writes without a pause between: another process may be starting Postgres just now.
 */
export function disownStaleFile(data: string, pid: number): void {
  if (!isProcessAlive(pid)) return;
  const file = join(data, "postmaster.pid");
  const text = readFileSync(file, "utf8");
  if (Number.parseInt(text, 10) === pid) {
    writeFileSync(file, text.replace(/^\d+/, String(process.pid)));
  }
}

export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** A pid says little: numbers come round again, in containers at once. */
async function isPostmasterOf(data: string, pid: number): Promise<boolean> {
  if (process.platform === "linux") {
    // A Postgres server works in its data directory.
    const [cwd, expected] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => null),
      realpath(data),
    ]);
    return cwd === expected;
  }
  if (process.platform === "win32") return true;
  try {
    const arguments_ = execFileSync("ps", ["-ww", "-o", "args=", "-p", String(pid)]);
    // The system may compose letters and accents as it likes.
    return arguments_.toString("utf8").normalize().includes(data.normalize());
  } catch {
    return false;
  }
}
