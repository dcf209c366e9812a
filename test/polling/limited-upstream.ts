import { HEALTHY } from "../../src/core/job/job.ts";
import { WatchList } from "../../src/polling/watch/list.ts";
import type { StoredConnection } from "../../src/store/connections/load-connections.ts";
import { builtInOnly } from "../support/providers.ts";
import { FakeClock } from "../support/fake-clock.ts";
import type { RateLimiter } from "../support/rate-limiters.ts";
import { liveJob, openBox, storedConnection, NO_CEILINGS } from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

const LATENCY_MS = 50;

interface Answer {
  readonly connectionId: string;
  readonly job: string;
  readonly atMs: number;
  readonly passed: boolean;
}

/** The real watch list on a fake clock, between jobs that never end and an upstream with limits. */
export function watchLimitedUpstream(upstream: {
  /** Null for one without a limit. */
  readonly limiter: RateLimiter | null;
  /** Whether its refusals say when to come again. */
  readonly tellsWhen?: boolean;
  readonly pollsPerOriginMax?: number;
}) {
  const { limiter, tellsWhen = true, pollsPerOriginMax = 2048 } = upstream;
  const clock = new FakeClock();
  const startedAtMs = clock.now();
  const random = seededRandom();
  const answers: Answer[] = [];
  const list: WatchList = new WatchList(testRuntime({ clock, random }), {
    providers: builtInOnly(),
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    pollsPerOriginMax,
    poll(of, watch, generation) {
      watch.state = "polling";
      const verdict = limiter?.(clock.now() + LATENCY_MS / 2) ?? { passes: true };
      clock.setTimer(LATENCY_MS * (0.5 + random()), () => {
        const atMs = clock.now() - startedAtMs;
        const { connectionId } = of;
        answers.push({ connectionId, job: watch.id, atMs, passed: verdict.passes });
        list.schedule(watch, clock.now() + 1000 * (1 + 0.1 * random()));
        const retryAfterMs = verdict.passes || !tellsWhen ? null : verdict.retryAfterMs;
        of.lane.settle(
          verdict.passes ? HEALTHY : { kind: "rate_limited", retryAfterMs },
          generation,
        );
      });
    },
    timeOut: () => undefined,
  });
  return {
    clock,
    list,
    /** A connection with so many jobs, each to be polled every second. */
    connect(jobs: number, changes: Partial<StoredConnection> = {}): void {
      const connection = storedConnection(changes);
      list.configureConnection(connection);
      const { id: connectionId, projectId } = connection;
      for (let job = 0; job < jobs; job += 1) {
        const deadlineAtMs = Number.MAX_SAFE_INTEGER;
        const of = { connectionId, projectId, deadlineAtMs };
        list.watch(liveJob(clock.now(), of), "at_once");
      }
    },
    /** Lets so many seconds pass and returns the answers that came in them. */
    run(seconds: number): readonly Answer[] {
      answers.length = 0;
      clock.advance(seconds * 1000);
      return [...answers];
    },
  };
}

/** Numbers from 0 to 1, the same in every run. */
function seededRandom(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
