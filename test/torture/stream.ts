import { setTimeout as pause } from "node:timers/promises";
import { type FakeUpstream, pulseAnswer } from "../support/fake-upstream.ts";
import type { Receiver } from "../support/receiver.ts";
import { apiOf } from "../support/api-client.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { CONNECTION } from "../support/process-scene.ts";

const TRY_AGAIN_MS = 250;
/** Polls of a job until it has completed; with the scene's interval some tenths of a second each. */
const POLLS_MAX = 20;

export interface StreamOptions {
  readonly upstream: FakeUpstream;
  readonly receiver: Receiver;
  readonly random: () => number;
  readonly perSecond: number;
  /** The nodes that take requests now. */
  readonly urls: () => readonly string[];
}

/** The outcomes of a stream's subscriptions. */
export interface Tally {
  readonly accepted: number;
  /** Accepted, and called back with the right ending. */
  readonly heard: number;
  /** Callbacks that came again under the `webhook-id` they had; allowed, as delivery is at least once. */
  readonly duplicates: number;
  /** Accepted, and not called back. */
  readonly lost: number;
  /** Subscriptions that were called back under two ids. */
  readonly secondIds: number;
  /** Callbacks that told another ending than the job had. */
  readonly falseEndings: number;
  /** Callbacks whose signature does not hold. */
  readonly unverified: number;
  /** From the job's completion, as the upstream first told it, to the callback. */
  readonly slowestMs: number;
  /** The longest time that a job waited between two polls, or for its first after its 201. */
  readonly longestUnpolledMs: number;
}

interface Subscribed {
  readonly jobId: string;
  readonly id: string;
}

/**
 * Subscribes to jobs at a steady rate, as a client does that tries again under the same
 * `Idempotency-Key` until it is answered with 201.
 */
export class Stream {
  readonly #options: StreamOptions;
  readonly #accepted: Subscribed[] = [];
  readonly #completedAtMs = new Map<string, number>();
  readonly #polledAtMs = new Map<string, number>();
  readonly #longestUnpolledMs = new Map<string, number>();
  readonly #asking = new Set<Promise<void>>();
  #number = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.#loop = this.#run();
  }

  /** Begins no more subscriptions; resolves when those begun are accepted. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
    await Promise.all(this.#asking);
  }

  /** How many have been accepted; `tally` takes those from one such count on. */
  get accepted(): number {
    return this.#accepted.length;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const asking = this.#subscribe().finally(() => this.#asking.delete(asking));
      this.#asking.add(asking);
      await pause((2 * this.#options.random() * 1000) / this.#options.perSecond);
    }
  }

  async #subscribe(): Promise<void> {
    const { upstream, receiver, random, urls } = this.#options;
    this.#number += 1;
    const jobId = `job-${this.#number}`;
    const completesAt = 1 + Math.floor(random() * POLLS_MAX);
    upstream.answer(jobId, (_, number) => {
      this.#notePoll(jobId);
      if (number < completesAt) return pulseAnswer.processing();
      if (!this.#completedAtMs.has(jobId)) this.#completedAtMs.set(jobId, performance.now());
      return pulseAnswer.completed();
    });
    const body = { job_id: jobId, callback_url: receiver.url(`/${jobId}`), connection: CONNECTION };
    for (;;) {
      const all = urls();
      const url = all[Math.floor(random() * all.length)];
      const answer =
        url === undefined
          ? null
          : await apiOf(url)("POST", "/v1/subscriptions", body, {
              authorization: `Bearer ${API_KEY}`,
              "idempotency-key": jobId,
            }).catch(() => null);
      if (answer?.status === 201) {
        this.#accepted.push({ jobId, id: answer.body.id as string });
        if (!this.#polledAtMs.has(jobId)) this.#polledAtMs.set(jobId, performance.now());
        return;
      }
      if (answer !== null && answer.status < 500 && answer.status !== 429) {
        throw new Error(`A subscription was refused: ${answer.status} ${answer.text}`);
      }
      await pause(TRY_AGAIN_MS);
    }
  }

  #notePoll(jobId: string): void {
    const nowMs = performance.now();
    // After its ending a job is polled no more: what comes late is a poll that was on its way.
    if (this.#completedAtMs.has(jobId)) return;
    const sinceMs = nowMs - (this.#polledAtMs.get(jobId) ?? nowMs);
    this.#polledAtMs.set(jobId, nowMs);
    const longestMs = this.#longestUnpolledMs.get(jobId) ?? 0;
    this.#longestUnpolledMs.set(jobId, Math.max(longestMs, sinceMs));
  }

  /** @param from the count of accepted ones where this tally begins */
  tally(from = 0): Tally {
    const { receiver } = this.#options;
    const byJob = new Map<string, typeof receiver.callbacks>();
    for (const callback of receiver.callbacks) {
      const jobId = callback.path.slice(1);
      byJob.set(jobId, [...(byJob.get(jobId) ?? []), callback]);
    }
    const tally = {
      accepted: 0,
      heard: 0,
      duplicates: 0,
      lost: 0,
      secondIds: 0,
      falseEndings: 0,
      unverified: 0,
      slowestMs: 0,
      longestUnpolledMs: 0,
    };
    for (const { jobId, id } of this.#accepted.slice(from)) {
      const callbacks = byJob.get(jobId) ?? [];
      const [first] = callbacks;
      const isRight = callbacks.some(
        ({ event }) => event.type === "job.completed" && event.data.subscription_id === id,
      );
      const ids = new Set(callbacks.map(({ webhookId }) => webhookId));
      tally.accepted += 1;
      tally.heard += isRight ? 1 : 0;
      tally.lost += callbacks.length === 0 ? 1 : 0;
      tally.duplicates += callbacks.length - ids.size;
      tally.secondIds += ids.size > 1 ? 1 : 0;
      tally.falseEndings += callbacks.filter(({ event }) => event.type !== "job.completed").length;
      tally.unverified += callbacks.filter(({ problem }) => problem !== null).length;
      tally.longestUnpolledMs = Math.max(
        tally.longestUnpolledMs,
        this.#longestUnpolledMs.get(jobId) ?? 0,
      );
      const completedAtMs = this.#completedAtMs.get(jobId);
      if (first !== undefined && completedAtMs !== undefined) {
        // The receiver tells the time of day, the stream the monotonic one.
        const arrivedMs = first.receivedAtMs - performance.timeOrigin;
        tally.slowestMs = Math.max(tally.slowestMs, arrivedMs - completedAtMs);
      }
    }
    return tally;
  }
}
