import type { LaneVerdict } from "../../src/core/job/job.ts";
import { Lane } from "../../src/lanes/lane.ts";
import type { LaneLimits } from "../../src/lanes/lane-options.ts";
import { Origin, type OriginOptions } from "../../src/lanes/origin.ts";
import type { OriginGate } from "../../src/lanes/origin-gate.ts";
import { FakeClock } from "../support/fake-clock.ts";

export const UNLIMITED: LaneLimits = { concurrency: 1000, requestsPerSecond: null, burst: 1 };
export const FAULTY = { kind: "faulty" } as const;

export function refused(retryAfterMs: number | null = null): LaneVerdict {
  return { kind: "rate_limited", retryAfterMs };
}

interface Item {
  readonly name: string;
  dueAtMs: number;
}

export function newOrigin(clock: FakeClock, options: Partial<OriginOptions> = {}): Origin {
  return new Origin(
    { clock },
    { resource: "upstream_requests", concurrency: 2000, breaker: null, ...options },
  );
}

/** The only project's way to an origin. */
export function newGate(clock: FakeClock, options: Partial<OriginOptions> = {}): OriginGate {
  return newOrigin(clock, options).gateOf("x");
}

/** A lane and what it starts; nothing ends but by `settle`. */
export function setLane(
  limits: Partial<LaneLimits> = {},
  scene: { clock?: FakeClock; gate?: OriginGate; started?: { name: string; atMs: number }[] } = {},
) {
  const { clock = new FakeClock(), started = [] } = scene;
  const { gate = newGate(clock) } = scene;
  const startedAt = clock.monotonic();
  const eras = new Map<string, number>();
  const lane = new Lane<Item>(
    { clock, random: () => 0.5 },
    {
      limits: { ...UNLIMITED, ...limits },
      gate,
      start(item, generation) {
        eras.set(item.name, generation);
        started.push({ name: item.name, atMs: clock.monotonic() - startedAt });
      },
      isCurrent: (item, dueAtMs) => item.dueAtMs === dueAtMs,
    },
  );
  const push = (name: string, inMs = 0): Item => {
    const item = { name, dueAtMs: clock.monotonic() + inMs };
    lane.push(item, item.dueAtMs);
    return item;
  };
  /** Ends an item that was started. */
  const settle = (name: string, verdict: LaneVerdict): void => {
    const generation = eras.get(name);
    if (generation === undefined) throw new Error(`${name} is not in progress`);
    lane.settle(verdict, generation);
  };
  return { clock, gate, lane, started, push, settle, names: () => started.map(({ name }) => name) };
}
