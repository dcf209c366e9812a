import { expect, test } from "vitest";
import { ChangeSignal } from "../../src/runtime/change-signal.ts";
import { Repeater } from "../../src/runtime/repeater.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { testRuntime } from "../support/runtime.ts";

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
  const repeater = new Repeater(testRuntime({ clock, log }), {
    name: "look",
    intervalMs: INTERVAL_MS,
    task,
  });
  await repeater.start();
  for (const _ of outcomes) await clock.advanceSettling(INTERVAL_MS);
  await repeater.stop();
  return lines
    .map((line) => JSON.parse(line))
    .map(({ level, err, failures }) => [level, err?.message ?? failures]);
}

test("only the first of many equal failures is logged, and their end", async () => {
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

/** A task that counts its rounds, with what it is woken and put to rest by. */
async function resting(options: { readonly intervalMs: number; readonly restIntervalMs?: number }) {
  const clock = new FakeClock();
  const roundsAtMs: number[] = [];
  const task = async (): Promise<void> => void roundsAtMs.push(clock.monotonic());
  const repeater = new Repeater(testRuntime({ clock }), { name: "look", task, ...options });
  await repeater.start();
  return { clock, repeater, roundsAtMs };
}

test("a task that may rest runs seldom, and at once when it is hurried after its interval", async () => {
  const { clock, repeater, roundsAtMs } = await resting({
    intervalMs: INTERVAL_MS,
    restIntervalMs: 10_000,
  });
  await clock.advanceSettling(25_000);
  expect(roundsAtMs).toEqual([10_000, 20_000]);
  repeater.hurry();
  await clock.advanceSettling(50);
  expect(roundsAtMs).toEqual([10_000, 20_000, 25_000]);
  repeater.hurry();
  await clock.advanceSettling(INTERVAL_MS);
  expect(roundsAtMs).toEqual([10_000, 20_000, 25_000, 25_100]);
  await repeater.stop();
});

test("tasks that began at different moments share the later ones", async () => {
  const first = await resting({ intervalMs: 1_000 });
  const second = new FakeClock();
  second.advance(300);
  const roundsAtMs: number[] = [];
  const task = async (): Promise<void> => void roundsAtMs.push(second.monotonic());
  const repeater = new Repeater(testRuntime({ clock: second }), {
    name: "look",
    intervalMs: 1_000,
    task,
  });
  await repeater.start();
  await first.clock.advanceSettling(4_000);
  await second.advanceSettling(3_700);
  expect(first.roundsAtMs).toEqual([1_000, 2_000, 3_000, 4_000]);
  expect(roundsAtMs).toEqual([1_050, 2_000, 3_000, 4_000]);
});

test("tasks that rest look one after another", async () => {
  const clock = new FakeClock();
  const roundsAtMs: number[] = [];
  const draws = [0, 0.5, 1];
  const task = async (): Promise<void> => void roundsAtMs.push(clock.monotonic());
  const repeaters = draws.map(
    (drawn) =>
      new Repeater(testRuntime({ clock, random: () => drawn }), {
        name: "look",
        intervalMs: INTERVAL_MS,
        changes: new ChangeSignal(),
        task,
      }),
  );
  for (const repeater of repeaters) await repeater.start();
  await clock.advanceSettling(40_000);
  expect(roundsAtMs).toEqual([30_000, 33_000, 37_000]);
});

test("a task that hurries itself before it first waits has one next round", async () => {
  const clock = new FakeClock();
  const roundsAtMs: number[] = [];
  const task = async (): Promise<void> => {
    roundsAtMs.push(clock.monotonic());
    repeater.hurry();
  };
  const repeater = new Repeater(testRuntime({ clock }), {
    name: "look",
    intervalMs: INTERVAL_MS,
    restIntervalMs: 10_000,
    task,
  });
  await repeater.start();
  repeater.trigger();
  for (let round = 1; round <= 4; round += 1) await clock.advanceSettling(INTERVAL_MS);
  expect(clock.timers).toBe(1);
  expect(roundsAtMs).toEqual([0, 100, 200, 300, 400]);
  await repeater.stop();
});
