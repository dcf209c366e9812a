import postgres from "postgres";
import { describeProblems, loadConfig } from "../../src/config.ts";
import { type StartedGateway, startGateway } from "../../src/gateway/gateway.ts";
import {
  type ClockReading,
  type DatabaseClock,
  SystemClock,
  type Timer,
} from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { systemRandom } from "../../src/runtime/runtime.ts";
import { type Api, apiOf, askUntil, type Json } from "./api-client.ts";
import { createTestDatabase } from "./database.ts";
import { gatewayEnvironment } from "./gateway-environment.ts";

/** A whole gateway in this process, on a port and a database of its own. */
export interface TestGateway {
  readonly url: string;
  readonly databaseUrl: string;
  /** On the same database, for looking at rows. */
  readonly sql: postgres.Sql;
  /** Everything logged so far, as JSON lines. */
  readonly logged: readonly string[];
  readonly clock: ShiftedClock;
  /** Lets so much time pass for the gateway, which then has to renew its lease; waits until it has. */
  pass(ms: number): Promise<void>;
  /**
   * Waits until no attempt at these pending deliveries (at most a page) is in progress in memory. Its row is
   * there sooner; if time passes in between, the origin's failures count as those of a later moment.
   */
  noAttemptInProgress(filter?: string): Promise<void>;
  readonly api: Api;
  /** Asks again and again until the answer is as wished; there is no event to wait for. */
  until(path: string, isReached: (body: Json) => boolean): Promise<Json>;
  /** Reports that it is not ready and serves on, until `hurried` resolves or the time for it is over. */
  drain(hurried: Promise<void>): Promise<void>;
  /** Stops the gateway; the database stays. */
  stop(): Promise<void>;
  /** Stops it and drops its database. */
  discard(): Promise<void>;
}

/** The database's time and the monotonic one, moved by as much as a test says. Timers keep the real one. */
export class ShiftedClock implements DatabaseClock {
  readonly #real = new SystemClock({
    wall: () => Date.now(),
    monotonic: () => performance.now(),
  });
  #shiftMs = 0;

  now(): number {
    return this.#real.now() + this.#shiftMs;
  }

  monotonic(): number {
    return this.#real.monotonic() + this.#shiftMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.#real.setTimer(delayMs, fire);
  }

  offsetMs(): number {
    return this.#real.offsetMs();
  }

  /** The database has not moved with this clock: its reading is taken as of the real moments. */
  set({ databaseMs, sentAtMs, receivedAtMs }: ClockReading): number {
    return this.#real.set({
      databaseMs,
      sentAtMs: sentAtMs - this.#shiftMs,
      receivedAtMs: receivedAtMs - this.#shiftMs,
    });
  }

  systemAheadMs(): number {
    return this.#real.systemAheadMs();
  }

  shift(ms: number): void {
    this.#shiftMs += ms;
  }
}

/** Starts one and waits until it owns every shard. */
export async function startTestGateway(
  changes: Readonly<Record<string, string>> = {},
): Promise<TestGateway> {
  const database = await createTestDatabase();
  const logged: string[] = [];
  const clock = new ShiftedClock();
  const gateway = await startInProcess(
    gatewayEnvironment(database.url, changes),
    clock,
    (line) => void logged.push(line),
  );
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  const api = apiOf(gateway.url);
  await ownsEveryShard(api);
  return {
    url: gateway.url,
    databaseUrl: database.url,
    sql,
    logged,
    clock,
    async pass(ms) {
      clock.shift(ms);
      await isReady(api);
    },
    async noAttemptInProgress(filter = "") {
      await askUntil(api, `/v1/deliveries?status=pending&limit=100${filter}`, ({ data }) =>
        data.every(({ waiting_for: waitingFor }: Json) => waitingFor !== "sending"),
      );
    },
    api,
    until: (path, isReached) => askUntil(api, path, isReached),
    drain: (hurried) => gateway.drain(hurried),
    stop: () => gateway.stop(),
    async discard() {
      await gateway.stop();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

async function startInProcess(
  env: Readonly<Record<string, string>>,
  clock: DatabaseClock,
  write: (line: string) => void,
): Promise<StartedGateway> {
  const result = loadConfig(env, false);
  if (result.kind === "invalid") throw new Error(describeProblems(result.problems));
  const { config } = result;
  const log = createLog({ ...config.log, destination: { write } });
  return startGateway({ config, clock, random: systemRandom, log, version: "1.2.3-test" });
}

/** Renewing takes some seconds, and longer on a machine that does other work. */
const UNTIL_TIMEOUT_MS = 60_000;
const ASK_AGAIN_MS = 5;

async function isReady(api: Api): Promise<void> {
  const giveUpAt = performance.now() + UNTIL_TIMEOUT_MS;
  while (performance.now() < giveUpAt) {
    if ((await api("GET", "/readyz")).status === 200) return ownsEveryShard(api);
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
  throw new Error("the gateway has no lease");
}

async function ownsEveryShard(api: Api): Promise<void> {
  const giveUpAt = performance.now() + UNTIL_TIMEOUT_MS;
  while (performance.now() < giveUpAt) {
    const { text } = await api("GET", "/metrics");
    if (/^ringback_owned_shards(?:\{.*\})? 256$/m.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
  throw new Error("the gateway does not own every shard");
}
