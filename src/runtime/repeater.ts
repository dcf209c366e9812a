import type { ChangeSignal } from "./change-signal.ts";
import { sharedMoment, type Timer } from "./clock.ts";
import type { Runtime, Service } from "./runtime.ts";

interface RepeaterOptions {
  readonly name: string;
  readonly intervalMs: number;
  readonly task: () => Promise<void>;
  /** Wakes the task, which otherwise rests. */
  readonly changes?: ChangeSignal | undefined;
  /** How often a task runs that rests. Without this and `changes` no task rests. */
  readonly restIntervalMs?: number;
}

/** A resting task looks for itself this often, in case a signal was missed. */
const REST_INTERVAL_MS = 30_000;
/**
 * A rest is longer by up to this part, so that tasks that rest come to look one after another: together
 * they would need a connection to the database each.
 */
const REST_SPREAD = 0.25;

/**
 * Runs a task repeatedly, about `intervalMs` after its last end, never twice at the same time. After a
 * failure the next round tries again; of repeated equal failures the first is logged, and the
 * recovery. `stop` waits for the current round.
 */
export class Repeater implements Service {
  readonly name: string;
  readonly #runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly #options: RepeaterOptions;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #started = false;
  /** True when the next round comes after `intervalMs`, even if the task could rest. */
  #isHurried = false;
  #endedAtMs = 0;
  #failures = 0;
  /** The text of the latest failure. */
  #failure: string | null = null;

  constructor(runtime: Pick<Runtime, "clock" | "log" | "random">, options: RepeaterOptions) {
    this.#runtime = runtime;
    this.name = options.name;
    this.#options = options;
    options.changes?.onWake(() => this.hurry());
  }

  /** Schedules the first round, one interval from now. */
  start(): Promise<void> {
    if (!this.#started) {
      this.#started = true;
      this.#endedAtMs = this.#runtime.clock.monotonic();
      this.#schedule();
    }
    return Promise.resolve();
  }

  /** Runs a round now, or right after the current one. */
  trigger(): void {
    if (!this.#started) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#run();
  }

  /** Lets no task rest: the next round comes `intervalMs` after the end of the last one. */
  hurry(): void {
    if (!this.#started || this.#isHurried) return;
    this.#isHurried = true;
    if (this.#running !== null || !this.#mayRest) return;
    this.#timer?.cancel();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#running;
  }

  get #mayRest(): boolean {
    const { changes, restIntervalMs } = this.#options;
    return changes !== undefined || restIntervalMs !== undefined;
  }

  #schedule(): void {
    const { clock } = this.#runtime;
    const afterMs = this.#afterMs();
    const dueAtMs = sharedMoment(this.#endedAtMs + afterMs, afterMs);
    this.#timer = clock.setTimer(dueAtMs - clock.monotonic(), () => this.#run());
  }

  #afterMs(): number {
    const { intervalMs, restIntervalMs } = this.#options;
    if (this.#isHurried || !this.#mayRest) return intervalMs;
    return restIntervalMs ?? REST_INTERVAL_MS * (1 + REST_SPREAD * this.#runtime.random());
  }

  #run(): void {
    this.#timer = null;
    this.#again = false;
    this.#isHurried = false;
    // Set before the task begins, which may call `hurry` or `trigger` before it first waits.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    void this.#runLogged().then(() => {
      this.#running = null;
      this.#endedAtMs = this.#runtime.clock.monotonic();
      resolve();
      if (!this.#started) return;
      if (this.#again) this.#run();
      else this.#schedule();
    });
  }

  async #runLogged(): Promise<void> {
    try {
      await this.#options.task();
    } catch (error) {
      this.#tellFailure(error);
      this.#isHurried = true;
      return;
    }
    if (this.#failures === 0) return;
    const { log } = this.#runtime;
    log.info({ task: this.name, failures: this.#failures }, "a periodic task recovered");
    this.#failures = 0;
    this.#failure = null;
  }

  /** A database that is down fails several tasks many times a second, all for the same reason. */
  #tellFailure(error: unknown): void {
    const failure = String(error);
    const level = failure === this.#failure ? "debug" : "warn";
    this.#failures += 1;
    this.#failure = failure;
    const fields = { task: this.name, err: error };
    this.#runtime.log[level](fields, "a periodic task failed; it will run again");
  }
}
