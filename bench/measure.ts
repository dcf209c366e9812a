import type { BenchGateway } from "./gateway.ts";
import { profileWhile } from "./profiler.ts";
import { cpuMsOf, cpuMsOfTree } from "./process-facts.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  if (!Number.isInteger(middle)) return upper;
  return ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** One measured run of a loop. */
export interface Sample {
  readonly operations: number;
  readonly elapsedMs: number;
  /** Used by the measured process; null where it can't be known. */
  readonly cpuMs: number | null;
}

/**
 * Measures a process while `act` has it work.
 * @param act how many operations were done
 */
export async function measure(pid: number, act: () => Promise<number>): Promise<Sample> {
  const cpuBefore = cpuMsOf(pid);
  const startedAt = performance.now();
  const operations = await act();
  const elapsedMs = performance.now() - startedAt;
  const cpuAfter = cpuMsOf(pid);
  const cpuMs = cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore;
  return { operations, elapsedMs, cpuMs };
}

/** A run of a program, with the CPU that its Postgres spent on it. */
export interface DatabaseSample extends Sample {
  readonly databaseCpuMs: number | null;
}

/** As `measure`, for the gateway with its Postgres. */
export async function measureGateway(
  gateway: BenchGateway,
  act: () => Promise<number>,
): Promise<DatabaseSample> {
  const { pid } = await gateway.postgres();
  const processes = { pid: gateway.pid, postgresPid: pid };
  return measureWithDatabase(processes, () => profileWhile(gateway.pid, act));
}

/** As `measure`, for any program with a Postgres of its own. */
export async function measureWithDatabase(
  { pid, postgresPid }: { readonly pid: number; readonly postgresPid: number },
  act: () => Promise<number>,
): Promise<DatabaseSample> {
  const before = cpuMsOfTree(postgresPid);
  const sample = await measure(pid, act);
  const after = cpuMsOfTree(postgresPid);
  return { ...sample, databaseCpuMs: before === null || after === null ? null : after - before };
}

/** CPU of Postgres, all its processes together, per operation; the median over runs. */
export function databaseCpuUsEach(samples: readonly DatabaseSample[]): number {
  return median(
    samples.map(({ operations, databaseCpuMs }) => ((databaseCpuMs ?? NaN) * 1000) / operations),
  );
}

/** Medians over runs. */
export interface Summary {
  readonly perSecond: number;
  readonly cpuUsEach: number | null;
  /** (max − min) / median of the rates. */
  readonly spread: number;
}

export function summarize(samples: readonly Sample[]): Summary {
  const rates = samples.map(({ operations, elapsedMs }) => (operations * 1000) / elapsedMs);
  const cpu = samples.flatMap(({ operations, cpuMs }) =>
    cpuMs === null ? [] : [(cpuMs * 1000) / operations],
  );
  const perSecond = median(rates);
  return {
    perSecond,
    cpuUsEach: cpu.length === 0 ? null : median(cpu),
    spread: (Math.max(...rates) - Math.min(...rates)) / perSecond,
  };
}
