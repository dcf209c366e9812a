import { expect } from "vitest";
import { Inspector } from "../../../../src/cluster/inspector.ts";
import type { Database } from "../../../../src/store/db/database.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { testRuntime } from "../../../support/runtime.ts";
import { uuids } from "../../../support/rows.ts";
import { AT_ONCE, type Contest, Held } from "./contest.ts";

const OPEN_MAX = 50;
const LOOK_INTERVAL_MS = 75;

/** Questions to the node that has the job, which answers when it is told to. */
export function inspections(): Contest {
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
    transaction: () => Promise.reject(new Error("An inspection takes no transaction.")),
  };
  const inspector = new Inspector(testRuntime({ clock }), {
    database,
    shards: { has: () => false },
    watches: { inspect: () => null, projectOf: () => null },
    rawAnswers: { ask: () => null },
    upstreams: { loadsOf: () => [] },
    outbox: { busyOfShard: () => [] },
    commands: {
      // Each question is about a shard of its own here.
      send(_, questions) {
        for (const { shardId, id } of questions) asks[shardId]?.sent(id);
        return Promise.resolve();
      },
    },
  });
  return {
    othersMax: AT_ONCE,
    crowd: OPEN_MAX / 2,
    ask(who, granted) {
      let isOpen = false;
      const sent = (id: string): void => {
        isOpen = true;
        ids.add(who, id);
        count(who, 1);
        granted();
      };
      const shardId = asks.push({ sent }) - 1;
      const job = { shardId, jobRowId: uuids(clock.now(), 0), projectId: who };
      // It ends with its answer, or when there is none in time.
      void inspector.inspect(database, job).then(() => isOpen && count(who, -1));
    },
    end(who) {
      const id = ids.take(who);
      if (id === undefined) return false;
      answers.push({ id, answer: "null" });
      return true;
    },
    pass: () => clock.advance(LOOK_INTERVAL_MS),
    check() {
      const counts = [...open.values()];
      expect(counts.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(OPEN_MAX);
      expect(Math.max(0, ...counts)).toBeLessThanOrEqual(OPEN_MAX / 2);
    },
  };
}
