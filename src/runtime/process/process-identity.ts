import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Identifies a process, so that another one on the same machine can tell whether it still runs. */
export interface ProcessIdentity {
  /** Name of its host; several machines may have the same. */
  readonly host: string;
  /**
   * Identifies where process ids are comparable: one boot of one kernel, and one namespace of ids
   * in it, so that containers in which each process is number 1 are distinguished. Null where it is
   * unknown.
   */
  readonly machine: string | null;
  readonly pid: number;
  /** In ticks since the boot, so that a reused process id is recognized. */
  readonly pidStart: string | null;
}

/** This process's identity. */
export function ownIdentity(): ProcessIdentity {
  const host = hostname();
  const unknown = { host, machine: null, pid: process.pid, pidStart: null };
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = readlinkSync("/proc/self/ns/pid");
    const pidStart = statOf(process.pid)?.start ?? null;
    return pidStart === null
      ? unknown
      : { ...unknown, machine: `${boot} ${namespace} ${host}`, pidStart };
  } catch {
    // Not Linux, or hidden from this process.
    return unknown;
  }
}

/**
 * True when a process has certainly ended, as this one sees it. False for processes on another
 * machine, in another container, or hidden from here: when in doubt, it is alive.
 */
export function isProvenDead(other: ProcessIdentity, own: ProcessIdentity): boolean {
  if (own.machine === null || other.machine !== own.machine || other.pidStart === null)
    return false;
  const stat = statOf(other.pid);
  if (stat !== null) return stat.start !== other.pidStart || stat.isOver;
  // A process without an entry may be hidden; a signal also finds hidden ones.
  try {
    process.kill(other.pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

const FIELDS_AFTER_NAME = /^\d+ \(.*\) (.+)$/s;
/** Counted after the name: `proc_pid_stat(5)` has them as fields 3 and 22. */
const STATE = 0;
const START = 19;

/** The kernel's entry of a process; null without one. */
function statOf(pid: number): { readonly start: string; readonly isOver: boolean } | null {
  try {
    const [, rest = ""] = FIELDS_AFTER_NAME.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    const fields = rest.trim().split(" ");
    const start = fields[START];
    // A killed process that its parent has not waited for is still listed.
    const isOver = ["Z", "X"].includes(fields[STATE] ?? "");
    return start === undefined ? null : { start, isOver };
  } catch {
    return null;
  }
}
