import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { machineClockMs } from "./machine-clock.ts";
import { MessageLoad } from "./message-load.ts";
import { createTemporaryDirectory } from "./temporary-directory.ts";
import { type Mark, type Step, type Trace, TRACE_FILE } from "./trace-gateway.ts";

/*
 * npx node bench/tail-causes.ts
 *
 * Finds why messages are slow at a human rate: each that takes more than 10 ms, from when its
 * subscription should have been sent until its callback is answered, is put down to whatever took
 * the greatest part of that time. The trace itself costs each message about six reads of a file of the
 * kernel.
 */

const RATE = { connections: 16, perSecond: 200 };
const WARM_UP_MS = 8_000;
const WINDOW_MS = 20_000;
const SLOW_MS = 10;

const STEPS = ["received", "answered", "polled", "ended", "called", "taken"] as const;
/** The cause, by step, of the time that the main thread sleeps before it. */
const ASLEEP: Readonly<Record<Step, string>> = {
  received: "the load's request",
  answered: "Postgres, to accept",
  polled: "the lane, to poll",
  ended: "the upstream",
  called: "Postgres, to record the ending",
  taken: "the receiver",
};
const COLLECTING = "collecting garbage";
const RUNNING = "the main thread's other work";
const NO_CORE = "a core for the main thread";

interface Taken {
  readonly totalMs: number;
  readonly causesMs: ReadonlyMap<string, number>;
}

const { marks, collections, window } = await traced();
marks.sort((a, b) => a.atMs - b.atMs);
const all = Array.from(Map.groupBy(marks, ({ message }) => message).values(), (of) => taken(of));
const messages = all.filter((message) => message !== null);
describe("messages", messages);
describe(
  `slower than ${SLOW_MS} ms`,
  messages.filter(({ totalMs }) => totalMs > SLOW_MS),
);

async function traced(): Promise<{ marks: Mark[] } & Omit<Trace, "marks"> & { window: number[] }> {
  await using directory = await createTemporaryDirectory();
  const file = join(directory.path, "trace.json");
  const hook = fileURLToPath(new URL("trace-gateway.ts", import.meta.url));
  process.env[TRACE_FILE] = file;
  process.env["NODE_OPTIONS"] = `--import=${hook}`;
  const times: number[] = [];
  {
    await using load = await MessageLoad.start();
    await load.send("ordinary", { ...RATE, durationMs: WARM_UP_MS });
    times.push(machineClockMs());
    await load.send("ordinary", { ...RATE, durationMs: WINDOW_MS });
    times.push(machineClockMs());
  }
  const trace = JSON.parse(readFileSync(file, "utf8")) as { marks: Mark[] } & Trace;
  return { ...trace, window: times };
}

/** Null for a message outside the window. */
function taken(of: readonly Mark[]): Taken | null {
  const begunAtMs = of.find(({ begunAtMs: at }) => at !== null)?.begunAtMs ?? 0;
  const [from = 0, to = 0] = window;
  if (begunAtMs < from || begunAtMs >= to) return null;
  const causesMs = new Map<string, number>();
  const add = (cause: string, ms: number): void => {
    causesMs.set(cause, (causesMs.get(cause) ?? 0) + Math.max(0, ms));
  };
  let at = begunAtMs;
  for (const step of STEPS) {
    const next = of.find((mark) => mark.step === step)?.atMs;
    // The first poll may be sent before the answer is.
    if (next === undefined || next <= at) continue;
    const [before, after] = [timesAt(at), timesAt(next)];
    const collectedMs = collectedBetween(at, next);
    const ranMs = Math.max(0, after.ranMs - before.ranMs - collectedMs);
    const waitedMs = after.waitedForCoreMs - before.waitedForCoreMs;
    add(COLLECTING, collectedMs);
    add(RUNNING, ranMs);
    add(NO_CORE, waitedMs);
    add(ASLEEP[step], next - at - collectedMs - ranMs - waitedMs);
    at = next;
  }
  return { totalMs: at - begunAtMs, causesMs };
}

/** The main thread's times, between the marks before and after. */
function timesAt(atMs: number): { readonly ranMs: number; readonly waitedForCoreMs: number } {
  let [low, high] = [0, marks.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.atMs ?? 0) < atMs) low = middle + 1;
    else high = middle;
  }
  const after = marks[low];
  const before = marks[Math.max(0, low - 1)];
  if (before === undefined || after === undefined) throw new Error("Nothing was traced.");
  const share = before === after ? 1 : (atMs - before.atMs) / (after.atMs - before.atMs);
  const between = (a: number, b: number): number => a + Math.min(1, Math.max(0, share)) * (b - a);
  return {
    ranMs: between(before.ranMs, after.ranMs),
    waitedForCoreMs: between(before.waitedForCoreMs, after.waitedForCoreMs),
  };
}

function collectedBetween(fromMs: number, toMs: number): number {
  return collections.reduce((sum, { atMs, tookMs }) => {
    return sum + Math.max(0, Math.min(toMs, atMs + tookMs) - Math.max(fromMs, atMs));
  }, 0);
}

function describe(title: string, of: readonly Taken[]): void {
  if (of.length === 0) return;
  const totalMs = of.reduce((sum, message) => sum + message.totalMs, 0);
  // The table is all that this script is run for.
  console.log(`\n${of.length} ${title}, ${(totalMs / of.length).toFixed(1)} ms on average`);
  const greatest = of.map(
    ({ causesMs }) => [...causesMs].reduce((a, b) => (b[1] > a[1] ? b : a))[0],
  );
  for (const cause of [COLLECTING, RUNNING, NO_CORE, ...STEPS.map((step) => ASLEEP[step])]) {
    const ms = of.reduce((sum, { causesMs }) => sum + (causesMs.get(cause) ?? 0), 0) / of.length;
    const first = greatest.filter((name) => name === cause).length;
    console.log(`  ${cause.padEnd(32)} ${ms.toFixed(2).padStart(6)} ms, most of ${first}`);
  }
}
