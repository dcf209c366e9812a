import { expect } from "vitest";
import { Inspector, type InspectorOptions } from "../../../../src/cluster/questions/inspector.ts";
import { RemoteStatuses } from "../../../../src/cluster/questions/remote-statuses.ts";
import { JobStatuses } from "../../../../src/polling/watch/job-statuses.ts";
import { ObservedAnswers } from "../../../../src/polling/watch/observed-answers.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";
import { LaneReports } from "../../../../src/cluster/lane-reports.ts";
import type { Database } from "../../../../src/store/db/database.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { testRuntime } from "../../../support/runtime.ts";
import { uuids } from "../../../support/rows.ts";
import { LANE_FREE } from "../../../../src/core/waiting/lane-status.ts";
import type { LaneState } from "../../../../src/store/lane-states.ts";
import { AT_ONCE, type Contest, Held } from "./contest.ts";

const LOOK_INTERVAL_MS = 75;

/** Asks about a job in the name of a project. */
type Ask = (
  projectId: string,
  job: { readonly shardId: number; readonly id: string },
) => Promise<unknown>;

/** Questions to the node that has the job, which answers when it is told to. */
export function inspections(): Contest {
  return questions(50, "null", (runtime, options) => {
    const inspector = new Inspector(runtime, {
      ...options,
      shards: { has: () => false },
      watches: { inspect: () => null, projectOf: () => null },
      rawAnswers: { ask: () => null },
      upstreams: { loadsOf: () => [] },
      outbox: { busyOfShard: () => [] },
    });
    return (projectId, { shardId, id }) => inspector.inspect({ projectId, shardId, jobRowId: id });
  });
}

/** Questions for the latest answers about jobs that another node polls. */
export function statusQuestions(): Contest {
  return questions(200, JSON.stringify({ kind: "unavailable" }), (runtime, options) => {
    const watches = {
      observe: () => "not_here" as const,
      pollNow: () => {},
      projectOf: () => null,
    };
    const observed = new ObservedAnswers(runtime.clock);
    const local = new JobStatuses(runtime.clock, watches, observed);
    const statuses = new RemoteStatuses(runtime, { ...options, watches, local });
    const { signal } = new AbortController();
    return (projectId, job) => statuses.first({ ...job, projectId }, signal);
  });
}

function questions(
  openMax: number,
  answer: string,
  build: (runtime: Runtime, options: Pick<InspectorOptions, "database" | "commands">) => Ask,
): Contest {
  const clock = new FakeClock();
  const ids = new Held<string>();
  const asks: { readonly sent: (id: string) => void }[] = [];
  const open = new Map<string, number>();
  const count = (who: string, change: 1 | -1): void =>
    void open.set(who, (open.get(who) ?? 0) + change);
  const answers: { readonly id: string; readonly answer: string }[] = [];
  const database: Database = {
    run: <T>(name: string) =>
      Promise.resolve((name === "take-inspection-answers" ? answers.splice(0) : []) as T),
    transaction: () => Promise.reject(new Error("A question takes no transaction.")),
  };
  const askOwner = build(testRuntime({ clock }), {
    database,
    commands: {
      // Each question is about a shard of its own here.
      send(_, sent) {
        for (const { shardId, id } of sent) asks[shardId]?.sent(id);
        return Promise.resolve();
      },
    },
  });
  return {
    othersMax: AT_ONCE,
    crowd: openMax / 2,
    ask(who, granted) {
      let isOpen = false;
      const sent = (id: string): void => {
        isOpen = true;
        ids.add(who, id);
        count(who, 1);
        granted();
      };
      const shardId = asks.push({ sent }) - 1;
      // It ends with its answer, or when there is none in time.
      const asked = askOwner(who, { shardId, id: uuids(clock.now(), 0) });
      void asked.then(() => isOpen && count(who, -1));
    },
    end(who) {
      const id = ids.take(who);
      if (id === undefined) return false;
      answers.push({ id, answer });
      return true;
    },
    pass: () => clock.advance(LOOK_INTERVAL_MS),
    check() {
      const counts = [...open.values()];
      expect(counts.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(openMax);
      expect(Math.max(0, ...counts)).toBeLessThanOrEqual(openMax / 2);
    },
  };
}

const CHANGES_PER_REPORT = 200;

/** Lanes that come to be in trouble, and are reported a few at a time. */
export function laneReports(): Contest {
  const reports = new LaneReports();
  const inTrouble = new Map<string, LaneState>();
  const lanes = new Held<string>();
  const grants = new Map<string, () => void>();
  let names = 0;
  let changes = 0;
  return {
    othersMax: CHANGES_PER_REPORT,
    crowd: 3 * CHANGES_PER_REPORT,
    ask(projectId, granted) {
      const name = `https://receiver-${(names += 1)}.example.com`;
      const lane = { projectId, kind: "origin", name, id: name } as const;
      const nothing = { failure: null, perSecond: null };
      inTrouble.set(name, { ...LANE_FREE, ...lane, ...nothing, breaker: "open" });
      lanes.add(projectId, name);
      grants.set(name, granted);
    },
    end(who) {
      const name = lanes.take(who);
      return name !== undefined && inTrouble.delete(name);
    },
    pass() {
      const next = reports.changes([...inTrouble.values()]);
      changes = next.put.length + next.removed.length;
      reports.store(next);
      for (const { name } of next.put) {
        grants.get(name)?.();
        grants.delete(name);
      }
    },
    check: () => expect(changes).toBeLessThanOrEqual(CHANGES_PER_REPORT),
  };
}
