import type { OperationalEvent } from "../../src/core/delivery/operational-event.ts";
import { shardsIn } from "../support/shards.ts";
import { setImmediate as nextTurn } from "node:timers/promises";
import { vi } from "vitest";
import { eventMask } from "../../src/core/delivery/event.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import { DeliveryLoop } from "../../src/delivery/delivery-loop.ts";
import { BlockedDeliveries } from "../../src/delivery/blocked-deliveries.ts";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../src/outbound/exchange/request-outcome.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { loadDeliveries } from "../../src/store/deliveries/load-deliveries.ts";
import { type AttemptRow, recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { type OwedDelivery, recordEvents } from "../../src/store/writes/record-events.ts";
import { Arrivals } from "../support/arrivals.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { acceptRow, completedRow } from "../support/rows.ts";
import { openBox } from "../polling/jobs.ts";
import { testRuntime } from "../support/runtime.ts";

export interface SentCallback {
  readonly webhookId: string;
  readonly body: string;
  readonly atMs: number;
}

const ROUND_INTERVAL_MS = 1000;
/** Attempts that the lane to an origin has in progress at once. */
export const LANE_CONCURRENCY = 32;
const INLINE_RESULT_BYTES_MAX = 256 * 1024;
const READS = new Set(["find-due-deliveries", "load-deliveries", "load-deliveries-of-origin"]);

/** Deliveries that are exhausted while their origin fails have a recorded attempt that was never sent. */
function wasSent({ errorCode }: AttemptRow): boolean {
  return errorCode !== "origin_failing";
}

/** A delivery loop on a real database, with a receiver that answers as told and a clock that waits. */
export class LoopHarness {
  readonly clock = new FakeClock(Date.now());
  readonly sent = new Arrivals<SentCallback>("attempts");
  /** One entry for each attempt whose record is done. */
  readonly recorded = new Arrivals<AttemptRow>("recorded attempts");
  /** The names of the statements that read what is due. */
  readonly reads = new Arrivals<string>("reads of due deliveries");
  /** One entry for each round of reading that is over. */
  readonly rounds = new Arrivals<null>("rounds of reading");
  readonly database: Database;
  readonly loop: DeliveryLoop;
  readonly #spies: { mockRestore(): void }[];
  /** The same database, unwatched. */
  readonly #direct: Database;
  /** Job id and error code of each delivery that was given up. */
  readonly exhausted: [string, string][] = [];
  /** Origins that began to fail or answered again. */
  readonly originChanges = new Arrivals<{ readonly isFailing: boolean }>("changes of origins");
  retryScheduleMs: readonly number[] = [500, 5000];
  ownedShards: number[] = Array.from({ length: 256 }, (_, shardId) => shardId);
  /** The receiver's response. */
  answer: () => RequestOutcome | Promise<RequestOutcome> = () => answered(200);
  /** Whether each origin has a connection that is open. */
  isConnected = true;
  /** Every read of due deliveries waits for this after it was made. */
  readGate: Promise<void> = Promise.resolve();
  /** Every record waits for this before it is made. */
  recordGate: Promise<void> = Promise.resolve();
  recordFailure: Error | null = null;

  /** @param database holds nothing yet */
  constructor(database: Database) {
    this.database = database;
    this.#direct = Object.create(database, {
      run: { value: database.run.bind(database) },
    }) as Database;
    this.#spies = [this.#holdReads(), this.#watchRounds()];
    this.loop = new DeliveryLoop(testRuntime({ clock: this.clock }), {
      inboxFeed: { stored: () => {} },
      database,
      secretBox: openBox,
      userAgent: "Ringback/test",
      settings: {
        of: () => ({
          retryScheduleMs: this.retryScheduleMs,
          signatures: ["v1"],
          limits: callbackLimits(LANE_CONCURRENCY, null),
        }),
      },
      callbackTimeoutMs: 1000,
      inlineResultBytesMax: INLINE_RESULT_BYTES_MAX,
      shards: shardsIn(() => this.ownedShards),
      resultLinks: { urlOf: (eventId) => `http://gateway.test/${eventId}` },
      signingKeys: { of: () => Promise.resolve([{ scheme: "v1", key: Buffer.alloc(32) }]) },
      callbackClient: {
        send: (request) => this.#send(request),
        hasIdleConnection: () => this.isConnected,
      },
      writers: { recordAttempt: (attempt) => this.#record(attempt) },
      operationalEvents: { publish: (news) => this.#onNews(news) },
    });
  }

  #onNews({ type, data }: OperationalEvent): void {
    if (type === "delivery.exhausted") {
      this.exhausted.push([String(data["job_id"]), String(data["error_code"])]);
    } else {
      this.originChanges.push({ isFailing: type === "callback_origin.failing" });
    }
  }

  async close(): Promise<void> {
    await this.loop.stop();
    for (const spy of this.#spies) spy.mockRestore();
  }

  /** Jobs that have ended, as another node left them: so many deliveries are owed. */
  async owe(count: number, dueInMs = 0, result?: string): Promise<OwedDelivery[]> {
    const owed: OwedDelivery[] = [];
    // A job with more subscriptions than this owes them in steps.
    while (owed.length < count) {
      owed.push(...(await this.#oweByJob(Math.min(500, count - owed.length), dueInMs, result)));
    }
    return owed;
  }

  async #oweByJob(count: number, dueInMs: number, result?: string): Promise<OwedDelivery[]> {
    const jobId = `job-${Math.random()}`;
    const rows = Array.from({ length: count }, () => acceptRow(jobId));
    const [accepted] = await acceptSubscriptions(this.database, rows);
    if (accepted?.kind !== "accepted") throw new Error("not accepted");
    const { shardId, jobRowId } = accepted.subscription;
    const occurredAtMs = this.clock.now() + dueInMs;
    const large = result === undefined ? {} : { result, resultBytes: result.length };
    const ending = completedRow({ shardId, jobRowId }, { occurredAtMs, ...large });
    const [recorded] = await recordEvents(this.database, [ending]);
    return [...(recorded?.owed ?? [])];
  }

  /** A job with progress and an ending, for a subscription to both; its deliveries, the older first. */
  async *oweInOrder(): AsyncGenerator<OwedDelivery> {
    const events = eventMask(["job.processing", "job.completed"]);
    const row = { ...acceptRow(`job-${Math.random()}`), events };
    const [accepted] = await acceptSubscriptions(this.database, [row]);
    if (accepted?.kind !== "accepted") throw new Error("not accepted");
    const occurredAtMs = this.clock.now();
    const progressed = { type: "job.processing", status: "processing", result: null } as const;
    for (const change of [progressed, {}]) {
      const event = completedRow(accepted.subscription, { occurredAtMs, ...change });
      const [recorded] = await recordEvents(this.database, [event]);
      yield* recorded?.owed ?? [];
    }
  }

  /** Hands a delivery over in memory, as the recorder of its event does. */
  async handOver(delivery: OwedDelivery): Promise<void> {
    const [loaded] = await loadDeliveries(this.#direct, [delivery], INLINE_RESULT_BYTES_MAX);
    if (loaded !== undefined)
      this.loop.enqueue([loaded.delivery], loaded.event, loaded.resultBytes);
  }

  /** Lets the next round of reading happen, and what it leads to begin. */
  async nextRead(): Promise<void> {
    const rounds = this.rounds.all.length;
    // Rounds begin at moments that they share with other periodic work.
    const sinceMomentMs = this.clock.monotonic() % ROUND_INTERVAL_MS;
    const toMomentMs = sinceMomentMs === 0 ? 0 : ROUND_INTERVAL_MS - sinceMomentMs;
    await this.clock.advanceSettling(ROUND_INTERVAL_MS + toMomentMs);
    await this.rounds.first(rounds + 1);
    await nextTurn();
  }

  /** Waits until every attempt that was begun is over and recorded. */
  async settled(): Promise<void> {
    await nextTurn();
    for (;;) {
      const { length } = this.recorded.all.filter(wasSent);
      const missing = this.sent.all.length - length;
      if (missing <= 0) return;
      await this.over(this.recorded.all.length + missing);
    }
  }

  /** Waits until so many attempts in all are over and recorded. */
  async over(count: number): Promise<void> {
    await this.recorded.first(count);
    await nextTurn();
  }

  async #send(request: OutboundRequest): Promise<RequestOutcome> {
    this.sent.push({
      webhookId: request.headers["webhook-id"] ?? "",
      body: String(request.body),
      atMs: this.clock.now(),
    });
    return this.answer();
  }

  async #record(attempt: AttemptRow): Promise<boolean> {
    await this.recordGate;
    const failure = this.recordFailure;
    this.recordFailure = null;
    if (failure !== null) throw failure;
    const [isRecorded = false] = await recordAttempts(this.database, [attempt]);
    this.recorded.push(attempt);
    return isRecorded;
  }

  #holdReads(): { mockRestore(): void } {
    const run = this.database.run.bind(this.database);
    return vi.spyOn(this.database, "run").mockImplementation(async (name, work, options) => {
      const result = await run(name, work, options);
      if (READS.has(name)) {
        await this.readGate;
        this.reads.push(name);
      }
      return result;
    });
  }

  #watchRounds(): { mockRestore(): void } {
    const { rounds } = this;
    const { round } = BlockedDeliveries.prototype;
    return vi.spyOn(BlockedDeliveries.prototype, "round").mockImplementation(async function (
      this: BlockedDeliveries,
    ) {
      await round.call(this);
      rounds.push(null);
    });
  }
}

export function answered(status: number): RequestOutcome {
  return {
    kind: "answered",
    status,
    headers: {},
    body: Buffer.alloc(0),
    truncated: false,
    durationMs: 1,
  };
}
