import type { CommandRouter } from "../../intake/command-router.ts";
import { EqualShares } from "../../lanes/shares/equal-shares.ts";
import type { SharedResource } from "../../lanes/shares/shared-resources.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { askInspections, type InspectionRequest, takeAnswers } from "../../store/inspections.ts";

interface OwnerQuestionsOptions {
  readonly database: Database;
  /** Sends the questions to the owners of their shards. */
  readonly commands: Pick<CommandRouter, "send">;
  readonly command: "inspect" | "observe";
  readonly resource: SharedResource;
  /** For all projects together, and of a project as many as it leaves free. */
  readonly waitingMax: number;
}

/** Owners empty their mailboxes four times a second. */
export const ANSWERED_WITHIN_MS = 1_500;
const LOOK_INTERVAL_MS = 75;
/** For answers that an owner holds back until something happens. */
const SLOW_LOOK_INTERVAL_MS = 250;

/**
 * Asks the owners of shards for what only their memory has: a row for the question, a command in the
 * mailbox, and the answer in the row. Questions that come while others are stored go together, and one
 * statement at a time looks for all the answers.
 */
export class OwnerQuestions {
  readonly #runtime: Runtime;
  readonly #options: OwnerQuestionsOptions;
  readonly #shares: EqualShares;
  readonly #open = new Map<
    string,
    {
      readonly settle: (answer: string | null) => void;
      /** Until then an answer is expected any moment. */
      readonly soonUntilMs: number;
    }
  >();
  #unsent: InspectionRequest[] = [];
  #isSending = false;
  #isLooking = false;

  constructor(runtime: Runtime, options: OwnerQuestionsOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#shares = new EqualShares(options.resource, options.waitingMax);
  }

  /** Null when the owner did not answer in time, or too many questions are open. */
  ask(
    projectId: string,
    question: Omit<InspectionRequest, "id">,
    withinMs = ANSWERED_WITHIN_MS,
  ): Promise<string | null> {
    const { uuids, clock } = this.#runtime;
    if (!this.#shares.tryTake(projectId)) return Promise.resolve(null);
    const id = uuids(clock.now(), question.shardId);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const settle = (answer: string | null): void => {
      if (!this.#open.delete(id)) return;
      timer.cancel();
      this.#shares.giveBack(projectId);
      resolve(answer);
    };
    const timer = clock.setTimer(withinMs, () => settle(null));
    this.#open.set(id, { settle, soonUntilMs: clock.monotonic() + ANSWERED_WITHIN_MS });
    this.#unsent.push({ id, ...question });
    if (!this.#isSending) void this.#send();
    return promise;
  }

  /** Never rejects: questions that could not be sent are given up. */
  async #send(): Promise<void> {
    this.#isSending = true;
    while (this.#unsent.length > 0) {
      const questions = this.#unsent;
      this.#unsent = [];
      try {
        await askInspections(this.#options.database, questions);
        const keys = questions.map(({ shardId, id }) => ({ shardId, id }));
        await this.#options.commands.send(this.#options.command, keys);
      } catch (error) {
        this.#runtime.log.debug({ err: error }, "other nodes could not be asked");
        for (const { id } of questions) this.#open.get(id)?.settle(null);
      }
      this.#lookSoon();
    }
    this.#isSending = false;
  }

  #lookSoon(): void {
    if (this.#isLooking || this.#open.size === 0) return;
    this.#isLooking = true;
    const { clock } = this.#runtime;
    const nowMs = clock.monotonic();
    const isSoon = this.#open.values().some(({ soonUntilMs }) => soonUntilMs > nowMs);
    clock.setTimer(isSoon ? LOOK_INTERVAL_MS : SLOW_LOOK_INTERVAL_MS, () => {
      void this.#takeAnswers().finally(() => {
        this.#isLooking = false;
        this.#lookSoon();
      });
    });
  }

  /** Never rejects: each question is given up by its own deadline. */
  async #takeAnswers(): Promise<void> {
    if (this.#open.size === 0) return;
    try {
      for (const { id, answer } of await takeAnswers(this.#options.database, [
        ...this.#open.keys(),
      ])) {
        if (answer !== null) this.#open.get(id)?.settle(answer);
      }
    } catch (error) {
      this.#runtime.log.debug({ err: error }, "answers of other nodes could not be read");
    }
  }
}
