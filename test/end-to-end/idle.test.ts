import { setTimeout as wait } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { describeProblems, loadConfig } from "../../src/config.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import type { Timer } from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { systemRandom } from "../../src/runtime/runtime.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import { openDatabase, PooledDatabase } from "../../src/store/db/database.ts";
import { apiOf } from "../support/api-client.ts";
import { createTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { quietLog } from "../support/quiet-log.ts";
import { acceptRow } from "../support/rows.ts";

/*
 * Counts the statements and wake-ups of a gateway with nothing to do, in a minute of the fake clock. CPU can't be measured on a machine that does other work; statements and wake-ups can be
 * counted, and are what it is spent on.
 */

const STATEMENTS_PER_MINUTE_MAX = 130;
/** One a second for all periodic work, and a few for what is done apart. */
const WAKE_UPS_PER_MINUTE_MAX = 80;
const JOBS = 2_000;
const STEP_MS = 250;

/** Statements in progress and run so far, by their names. */
function countStatements() {
  const names: string[] = [];
  let inProgress = 0;
  const counted = <Args extends [string, ...unknown[]]>(
    original: (...args: Args) => Promise<unknown>,
  ) =>
    async function (this: PooledDatabase, ...args: Args): Promise<unknown> {
      names.push(args[0]);
      inProgress += 1;
      try {
        return await original.apply(this, args);
      } finally {
        inProgress -= 1;
      }
    };
  const { run, transaction } = PooledDatabase.prototype;
  const spies = [
    vi.spyOn(PooledDatabase.prototype, "run").mockImplementation(counted(run) as typeof run),
    vi
      .spyOn(PooledDatabase.prototype, "transaction")
      .mockImplementation(counted(transaction) as typeof transaction),
  ];
  return {
    names,
    isBusy: () => inProgress > 0,
    restore: () => spies.forEach((spy) => spy.mockRestore()),
  };
}

/** A clock that notes the moments at which its timers have fired. */
class CountingClock extends FakeClock {
  readonly wakeUps = new Set<number>();

  override setTimer(delayMs: number, fire: () => void): Timer {
    return super.setTimer(delayMs, () => {
      this.wakeUps.add(this.monotonic());
      fire();
    });
  }
}

test("an idle gateway asks its database for next to nothing, whatever it watches", async () => {
  const testDatabase = await createTestDatabase();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => testDatabase.drop());
  const setUp = await openDatabase({
    url: testDatabase.url,
    connectionsMax: 1,
    statementTimeoutMs: 10_000,
    applicationName: "set-up",
    log: quietLog,
  });
  // Their connection is not there, so they wait for their deadlines, as a job waits for its next poll.
  const rows = Array.from({ length: JOBS }, (_, index) =>
    acceptRow(`job-${index}`, { nowMs: Date.now() - 60_000 }),
  );
  await acceptSubscriptions(setUp, rows);
  await setUp.close(1_000);

  const clock = new CountingClock(Date.now());
  const statements = countStatements();
  cleanUp.defer(statements.restore);
  const config = loadConfig(gatewayEnvironment(testDatabase.url, {}), false);
  if (config.kind === "invalid") throw new Error(describeProblems(config.problems));
  const gateway = await startGateway({
    config: config.config,
    clock,
    random: systemRandom,
    log: createLog({ level: "silent", format: "json" }),
    version: "test",
  });
  cleanUp.defer(async () => {
    const stopping = gateway.stop();
    await Promise.race([stopping, passUntil(() => false)]);
  });
  /** Lets time pass, and each statement come to its end before more of it does. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await clock.advanceSettling(STEP_MS);
      do await wait(1);
      while (statements.isBusy());
    }
  }
  async function passUntil(isReached: () => boolean): Promise<void> {
    while (!isReached()) await pass(STEP_MS);
  }

  // Loaded, counted, and looked at after the start.
  await pass(150_000);
  const api = apiOf(gateway.url);
  expect((await api("GET", "/readyz")).status).toBe(200);
  statements.names.length = 0;
  clock.wakeUps.clear();
  await pass(60_000);
  const byName = Object.fromEntries(
    Map.groupBy(statements.names, (name) => name)
      .entries()
      .map(([name, { length }]) => [name, length]),
  );
  expect(statements.names.length, JSON.stringify(byName)).toBeLessThan(STATEMENTS_PER_MINUTE_MAX);
  expect(clock.wakeUps.size).toBeLessThan(WAKE_UPS_PER_MINUTE_MAX);
});
