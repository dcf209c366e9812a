import { expect, test } from "vitest";
import { Repeater } from "../../src/runtime/repeater.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { FakeClock } from "../support/fake-clock.ts";

const INTERVAL_MS = 100;

/** Runs a task that fails as told, once a reason, and returns what was logged at `info` and above. */
async function logOf(
  outcomes: readonly (string | null)[],
): Promise<[string, string | undefined][]> {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "json",
    destination: { write: (line) => void lines.push(line) },
  });
  const left = [...outcomes];
  const task = async (): Promise<void> => {
    const reason = left.shift();
    if (typeof reason === "string") throw new Error(reason);
  };
  const repeater = new Repeater({ clock, log }, { name: "look", intervalMs: INTERVAL_MS, task });
  await repeater.start();
  for (const _ of outcomes) await clock.advanceSettling(INTERVAL_MS);
  await repeater.stop();
  return lines
    .map((line) => JSON.parse(line))
    .map(({ level, err, failures }) => [level, err?.message ?? failures]);
}

test("of many failures alike the first is logged, and their end", async () => {
  expect(await logOf([null, "away", "away", "away", null, null, "away"])).toEqual([
    ["warn", "away"],
    ["info", 3],
    ["warn", "away"],
  ]);
});

test("a failure of another kind is logged", async () => {
  expect(await logOf(["away", "away", "broken", "away"])).toEqual([
    ["warn", "away"],
    ["warn", "broken"],
    ["warn", "away"],
  ]);
});
