import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, such that another one on the same machine can tell whether it still runs. */
export interface ProcessIdentity {
  /** Its host's name; several machines may have the same. */
  readonly host: string;
  /**
   * Where process ids mean the same: one boot of one kernel, and there one namespace of ids, so that
   * containers in which each process is number 1 are told apart. Null where this can't be known.
   */
  readonly machine: string | null;
  readonly pid: number;
  /** In ticks since the boot: a number that is used again has another. */
  readonly pidStart: string | null;
}

/** This process's own. */
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
 * Whether a process is certainly over, as this one sees it. False for all that is on another machine,
 * in another container, or not to be seen from here: what is doubtful lives.
 */
export function isProvenDead(other: ProcessIdentity, own: ProcessIdentity): boolean {
  if (own.machine === null || other.machine !== own.machine || other.pidStart === null)
    return false;
  const stat = statOf(other.pid);
  if (stat !== null) return stat.start !== other.pidStart || stat.isOver;
  // Without its entry it may be hidden; a signal finds also what is hidden.
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

/** What the kernel says of a process; null when it says nothing. */
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
