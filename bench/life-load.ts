import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { BenchGateway, type BenchConnection } from "./gateway.ts";
import type { ReceiverCommands } from "./receiver.ts";
import { until } from "./until.ts";
import type { UpstreamCommands } from "./upstream.ts";
import { WorkerProcess } from "./worker-process.ts";

const ORIGINS = 4;
const RUNNING_POLLS = 2;
const BATCH = 500;
/** One batch is made and read while another is stored. */
const FEEDERS = 2;
const IN_PROGRESS_MAX = 6000;
const LOOK_INTERVAL_MS = 5;
const SHARDS = 256;
const OWNED_SHARDS = "ringback_owned_shards";
const OUTBOX = "ringback_outbox_deliveries";
const STATUSES_BUT_DELIVERED = ["active", "delivering", "exhausted", "canceled", "gone"];

/**
 * Whole lives of jobs, as many as go: accepted in batches, polled three times, ended, called back,
 * recorded. A new batch is sent as soon as enough of those before are over.
 */
export class LifeLoad implements AsyncDisposable {
  /** The first, with the database that all use. */
  readonly gateway: BenchGateway;
  readonly #gateways: readonly BenchGateway[];
  readonly #upstream: WorkerProcess<UpstreamCommands>;
  readonly #receiver: WorkerProcess<ReceiverCommands>;
  readonly #connection: BenchConnection;
  readonly #origins: readonly string[];
  #feeding: AbortController | null = null;
  #feeders: Promise<unknown> = Promise.resolve();
  #turn = -1;
  #sent = 0;
  #accepted = 0;

  private constructor(parts: {
    readonly gateways: readonly [BenchGateway, ...BenchGateway[]];
    readonly upstream: WorkerProcess<UpstreamCommands>;
    readonly receiver: WorkerProcess<ReceiverCommands>;
    readonly connection: BenchConnection;
    readonly origins: readonly string[];
  }) {
    this.#gateways = parts.gateways;
    [this.gateway] = parts.gateways;
    this.#upstream = parts.upstream;
    this.#receiver = parts.receiver;
    this.#connection = parts.connection;
    this.#origins = parts.origins;
  }

  /** @param nodes how many gateways share the work, on the first one's database */
  static async start(nodes = 1): Promise<LifeLoad> {
    await using started = new AsyncDisposableStack();
    const upstream = started.use(await WorkerProcess.start<UpstreamCommands>("upstream.ts"));
    const receiver = started.use(await WorkerProcess.start<ReceiverCommands>("receiver.ts"));
    const shared = { RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64") };
    const gateway = started.use(await BenchGateway.start(shared));
    const others: BenchGateway[] = [];
    for (let node = 2; node <= nodes; node += 1) {
      const { url } = await gateway.postgres();
      const settings = { ...shared, DATABASE_URL: url, RINGBACK_API_KEY: gateway.apiKey };
      others.push(started.use(await BenchGateway.start(settings)));
    }
    const gateways = [gateway, ...others] as const;
    await until("the shards are divided", async () => {
      const owned = await Promise.all(gateways.map((one) => one.metric(OWNED_SHARDS)));
      return owned.every((count) => count === SHARDS / nodes);
    });
    const connection = await gateway.connect("life", await upstream.ask("listen", undefined));
    const origins = await receiver.ask("listen", { origins: ORIGINS });
    await upstream.ask("completeAfter", { runningPolls: RUNNING_POLLS, result: { pages: 3 } });
    await receiver.ask("tally", undefined);
    started.move();
    return new LifeLoad({ gateways, upstream, receiver, connection, origins });
  }

  /** Begins to send batches, as many as go, until `drain`. */
  feed(): void {
    this.#feedWith(FEEDERS, (signal) => this.#feedUntil(signal));
  }

  /** Begins to send so many jobs a second to each gateway, in requests of `size`, until `drain`. */
  feedEach(perSecond: number, size: number): void {
    this.#feedWith(1, (signal) => this.#feedEvenly(signal, perSecond, size));
  }

  /** Has so many jobs live, as fast as they go, so that the tables have the size of a database in use. */
  async leaveBehind(jobs: number): Promise<void> {
    this.feed();
    await until("enough jobs are over", async () => (await this.#taken()) >= jobs);
    await this.drain();
  }

  #feedWith(feeders: number, feed: (signal: AbortSignal) => Promise<void>): void {
    const feeding = new AbortController();
    this.#feeding = feeding;
    this.#feeders = Promise.all(Array.from({ length: feeders }, () => feed(feeding.signal)));
    // Told by `lives` and `drain`; until somebody calls them, it has not gone unnoticed.
    this.#feeders.catch(() => {});
  }

  /** Lives that are over within a time: their callbacks were taken. */
  async livesWithin(durationMs: number): Promise<number> {
    const before = await this.#taken();
    await Promise.race([wait(durationMs), this.#feeders]);
    return (await this.#taken()) - before;
  }

  /**
   * Sends no more and waits until all that was accepted is called back and recorded.
   * @returns how many jobs were accepted since the start
   */
  async drain(): Promise<number> {
    this.#feeding?.abort();
    await this.#feeders;
    await until("all callbacks are taken", async () => {
      return (await this.#receiver.ask("distinct", undefined)) >= this.#accepted;
    });
    await until("all are recorded", async () => {
      const held = await Promise.all(this.#gateways.map((gateway) => gateway.metric(OUTBOX)));
      return held.every((deliveries) => deliveries === 0);
    });
    return this.#accepted;
  }

  polls(): Promise<number> {
    return this.#upstream.ask("requests", undefined);
  }

  /** Accepted subscriptions that the API does not call delivered. */
  async countUndelivered(): Promise<number> {
    let count = 0;
    for (const status of STATUSES_BUT_DELIVERED) {
      let cursor: string | null = "";
      while (cursor !== null) {
        const from: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const path = `/v1/subscriptions?status=${status}&limit=100${from}`;
        const page = (await this.gateway.call("GET", path)) as SubscriptionPage;
        count += page.data.length;
        cursor = page.next_cursor;
      }
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#feeding?.abort();
    await this.#feeders.catch(() => {});
    for (const gateway of this.#gateways.toReversed()) await gateway[Symbol.asyncDispose]();
    await this.#receiver[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
  }

  async #feedUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const inProgress = this.#sent - (await this.#taken());
      if (inProgress + BATCH <= IN_PROGRESS_MAX) await this.#subscribe(BATCH, this.#nextGateway());
      else await wait(LOOK_INTERVAL_MS);
    }
  }

  /** The gateways take turns, so that the database is as busy at one moment as at another. */
  async #feedEvenly(signal: AbortSignal, perSecond: number, size: number): Promise<void> {
    const gapMs = (size * 1000) / perSecond / this.#gateways.length;
    const beganAt = performance.now();
    const sending = new Set<Promise<void>>();
    const refused = Promise.withResolvers<never>();
    for (let number = 1; !signal.aborted; number += 1) {
      const sent = this.#subscribe(size, this.#nextGateway());
      sending.add(sent);
      void sent.then(() => sending.delete(sent), refused.reject);
      await Promise.race([
        wait(Math.max(0, beganAt + number * gapMs - performance.now())),
        refused.promise,
      ]);
    }
    await Promise.race([Promise.all(sending), refused.promise]);
  }

  #nextGateway(): BenchGateway {
    this.#turn += 1;
    return this.#gateways[this.#turn % this.#gateways.length] ?? this.gateway;
  }

  async #subscribe(size: number, gateway: BenchGateway): Promise<void> {
    const first = this.#sent;
    this.#sent += size;
    const wishes = Array.from({ length: size }, (_, index) => ({
      job_id: `bench-${first + index}`,
      callback_url: `${this.#origins[index % ORIGINS]}/hooks-${first + index}`,
    }));
    await gateway.subscribe(this.#connection, wishes);
    this.#accepted += size;
  }

  #taken(): Promise<number> {
    return this.#receiver.ask("answered", undefined);
  }
}

interface SubscriptionPage {
  readonly data: readonly unknown[];
  readonly next_cursor: string | null;
}
