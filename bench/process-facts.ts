import { readFileSync, readdirSync } from "node:fs";

// The kernel's unit for process times, the same on every Linux that Node supports.
const TICK_MS = 10;

interface Stat {
  readonly parent: number;
  readonly ownMs: number;
  /** Used by children that have exited. */
  readonly childrenMs: number;
}

/**
 * CPU that a process has used so far with all its threads, in ms, from the kernel's accounting.
 * Null where there is no /proc.
 */
export function cpuMsOf(pid: number): number | null {
  return statOf(pid)?.ownMs ?? null;
}

/** CPU of a process and of all that it has started, ended ones included, as Postgres and its backends. */
export function cpuMsOfTree(root: number): number | null {
  const stats = new Map(pids().flatMap((pid) => withStat(pid)));
  if (!stats.has(root)) return null;
  const isInTree = (pid: number): boolean => {
    for (let at = pid; at > 1; at = stats.get(at)?.parent ?? 0) if (at === root) return true;
    return false;
  };
  let sum = 0;
  for (const [pid, { ownMs, childrenMs }] of stats) if (isInTree(pid)) sum += ownMs + childrenMs;
  return sum;
}

/** Memory of a process that is not swapped out, in bytes, shared pages included. */
export function rssBytesOf(pid: number): number | null {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(read(pid, "status") ?? "")?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

function statOf(pid: number): Stat | null {
  const stat = read(pid, "stat");
  if (stat === null) return null;
  // The name, in brackets, may hold anything; the fields after it are numbers.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = (from: number): number => Number(fields[from]) + Number(fields[from + 1]);
  return {
    parent: Number(fields[1]),
    ownMs: ticks(11) * TICK_MS,
    childrenMs: ticks(13) * TICK_MS,
  };
}

function withStat(pid: number): readonly (readonly [number, Stat])[] {
  const stat = statOf(pid);
  return stat === null ? [] : [[pid, stat]];
}

function pids(): readonly number[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function read(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return null;
  }
}
