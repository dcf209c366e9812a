import { HEALTHY } from "../../../../src/core/job/job.ts";
import { ReadingTime } from "../../../../src/lanes/shares/reading-time.ts";
import { AnswerReader } from "../../../../src/polling/request/body-reader.ts";
import { Upstreams } from "../../../../src/polling/upstream/upstreams.ts";
import { exampleProvider } from "../../../providers/example-provider.ts";
import { NO_CEILINGS, openBox, storedConnection } from "../../../polling/jobs.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { builtInOnly } from "../../../support/providers.ts";
import { testRuntime } from "../../../support/runtime.ts";
import { type Contest, endsByItself, Held, LOUD, QUIET } from "./contest.ts";

const PROVIDER = exampleProvider();
const QUESTION = {
  kind: "status",
  facts: { seenBefore: true, ageMs: 0, nowMs: 0, unchanged: null },
} as const;
const NO_BODY = Buffer.alloc(0);

/** Large answers that are read one after the other; the thread is a double. */
export function answerThread(): Contest {
  const asks = new Map<string, { readonly who: string; readonly granted: () => void }>();
  let reading: { readonly who: string; readonly end: () => void } | null = null;
  const runtime = testRuntime({ clock: new FakeClock() });
  const options = { largeBytesMin: 0, parsedBytesMax: 1, heapBytesMax: 1, timeoutMs: 1 };
  const reader = new AnswerReader(runtime, options, {
    read({ headers }) {
      const { who = "", granted } = asks.get(String(headers["x-ask"])) ?? {};
      return new Promise((resolve) => {
        reading = { who, end: () => resolve({ kind: "closed" }) };
        granted?.();
      });
    },
    close: () => Promise.resolve(),
  });
  return {
    othersMax: LOUD.length,
    crowd: 100,
    heldMax: 1,
    ask(who, granted) {
      const id = `${asks.size}`;
      asks.set(id, { who, granted });
      const answer = { status: 200, headers: { "x-ask": id }, body: NO_BODY };
      void reader.read(who, QUESTION, PROVIDER, answer);
    },
    end(who) {
      if (reading?.who !== who) return false;
      const { end } = reading;
      reading = null;
      end();
      return true;
    },
  };
}

interface Poll {
  readonly who: string;
  readonly end: () => void;
}

/** Each has several, which wait for turns of their own. */
const CONNECTIONS = 3;

/** Connections of all of them to one origin, each with more jobs than it can poll at once. */
function openUpstreams(
  of: {
    readonly clock: FakeClock;
    readonly pollsPerOriginMax: number;
    readonly readingTime?: ReadingTime;
  },
  onPoll: (poll: Poll, granted: () => void) => void,
) {
  const { clock } = of;
  const asks = new Map<number, { readonly who: string; readonly granted: () => void }>();
  const upstreams = new Upstreams(testRuntime({ clock }), {
    ...of,
    providers: builtInOnly(),
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    isCurrent: (slot) => asks.has(slot),
    poll(upstream, slot, generation) {
      const asked = asks.get(slot);
      asks.delete(slot);
      const end = (): void => upstream.lane.settle(HEALTHY, generation);
      if (asked !== undefined) onPoll({ who: asked.who, end }, asked.granted);
    },
  });
  const limits = { concurrency: 1_000, requests_per_second: 1_000_000, burst: 1_000_000 };
  for (const projectId of [...LOUD, QUIET]) {
    for (let number = 0; number < CONNECTIONS; number += 1) {
      const id = `${projectId} ${number}`;
      upstreams.configure(storedConnection({ id, projectId, settings: { limits } }));
    }
  }
  let slots = 0;
  return (who: string, granted: () => void): void => {
    asks.set((slots += 1), { who, granted });
    upstreams.get(`${who} ${slots % CONNECTIONS}`).lane.push(slots, clock.monotonic());
  };
}

/** @param pollsPerOriginMax all of them together */
export function upstreamRequests(
  pollsPerOriginMax: number,
  expected: Pick<Contest, "crowd" | "othersMax">,
): Contest {
  const clock = new FakeClock();
  const held = new Held<Poll>();
  const ask = openUpstreams({ clock, pollsPerOriginMax }, (poll, granted) => {
    held.add(poll.who, poll);
    granted();
  });
  return {
    ...expected,
    heldMax: pollsPerOriginMax / 2,
    ask,
    end(who) {
      const poll = held.take(who);
      poll?.end();
      return poll !== undefined;
    },
    pass: () => clock.advance(1),
  };
}

const READING_MS = 40;
const READING_MS_PER_SECOND = 500;
/** Answers of a project that may be in progress. */
const READ_AT_ONCE = Math.ceil(READING_MS_PER_SECOND / READING_MS);

/**
 * The event loop, which reads one answer after the other: the expensive ones of the loud projects, and
 * the quiet one's.
 */
export function readingTime(): Contest & {
  readonly clock: FakeClock;
  readonly busyMs: () => number;
} {
  const clock = new FakeClock();
  const time = new ReadingTime(() => READING_MS_PER_SECOND);
  const answers: { readonly poll: Poll; readonly granted: () => void }[] = [];
  let busyMs = 0;
  const of = { clock, pollsPerOriginMax: 1_000, readingTime: time };
  const ask = openUpstreams(of, (poll, granted) => answers.push({ poll, granted }));
  const charge = (who: string): void => {
    const ms = who === QUIET ? 0.1 : READING_MS;
    busyMs += ms;
    clock.advance(ms);
    time.of(who).charge(ms, clock.monotonic());
  };
  // How expensive its answers are is known of each.
  for (const who of LOUD) for (let answer = 0; answer < 20; answer += 1) charge(who);
  clock.advance(60_000);
  busyMs = 0;
  return {
    clock,
    busyMs: () => busyMs,
    othersMax: LOUD.length * READ_AT_ONCE,
    crowd: 100,
    ask,
    end: endsByItself,
    pass() {
      const next = answers.shift();
      if (next === undefined) return clock.advance(20);
      charge(next.poll.who);
      next.granted();
      next.poll.end();
    },
  };
}
