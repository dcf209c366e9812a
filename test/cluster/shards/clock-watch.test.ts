import { expect, test } from "vitest";
import { ClockWatch } from "../../../src/cluster/shards/clock-watch.ts";
import { SystemClock } from "../../../src/runtime/clock.ts";
import { createLog } from "../../../src/runtime/process/log.ts";

const START_MS = Date.UTC(2026, 0, 1);

test("a clock that is off is told once, and once more when it is right again", () => {
  const lines: string[] = [];
  const machine = { aheadMs: 0 };
  const clock = new SystemClock({ wall: () => START_MS + machine.aheadMs, monotonic: () => 0 });
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: "info", format: "json", destination });
  const watch = new ClockWatch({ log }, clock);
  const read = (databaseMs = START_MS): void =>
    watch.set({ databaseMs, sentAtMs: 0, receivedAtMs: 0 });
  const logged = (): unknown[] => lines.splice(0).map((line) => JSON.parse(line) as unknown);

  machine.aheadMs = 4_900;
  read();
  expect(logged()).toEqual([]);
  machine.aheadMs = -3_600_000;
  read();
  read();
  expect(logged()).toMatchObject([{ level: "warn", aheadS: -3600 }]);
  machine.aheadMs = 0;
  read();
  expect(logged()).toMatchObject([{ level: "info", aheadS: 0 }]);
  read(START_MS + 60_000);
  expect(logged()).toMatchObject([
    { level: "warn", movedS: 60 },
    { level: "warn", aheadS: -60 },
  ]);
});
