import type { JobRowKey } from "../store/jobs/fetched-results.ts";
import type { HeldState } from "../core/waiting/delivery-wait.ts";
import type { Outbox } from "../delivery/outbox/outbox.ts";
import { EqualShares } from "../lanes/shares/equal-shares.ts";
import type { CommandRouter } from "../intake/command-router.ts";
import type { RawAnswer, RawAnswers } from "../polling/watch/raw-answers.ts";
import type { LiveJobView, WatchList } from "../polling/watch/list.ts";
import type { NamedLoad, Upstreams } from "../polling/upstream/upstreams.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import {
  answerInspection,
  askInspection,
  findInspections,
  type InspectionRequest,
  takeAnswers,
} from "../store/inspections.ts";

/** The owner's knowledge of a job and its deliveries beyond the database. */
export interface Inspection {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Null when it does not poll the job. */
  readonly job: LiveJobView | null;
  /** The upstream's latest answer about it since somebody asks; absent from a node of the previous release. */
  readonly rawAnswer?: RawAnswer | null;
  /** Deliveries of the job's shard that are not merely waiting. */
  readonly busy: readonly { readonly id: string; readonly state: HeldState }[];
}

interface LoadsAnswer {
  readonly loads: readonly NamedLoad[];
}

export interface InspectorOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "has">;
  readonly watches: Pick<WatchList, "inspect" | "projectOf">;
  readonly rawAnswers: Pick<RawAnswers, "ask">;
  readonly upstreams: Pick<Upstreams, "loadsOf">;
  readonly outbox: Pick<Outbox, "busyOfShard">;
  /** Sends the question to the owner of a shard. */
  readonly commands: Pick<CommandRouter, "send">;
}

/** Owners empty their mailboxes four times a second. */
const ANSWERED_WITHIN_MS = 1_500;
const LOOK_INTERVAL_MS = 75;
/**
 * For all requests together, and of a project as many as it leaves free; further ones are answered from
 * the database alone.
 */
const WAITING_MAX = 50;
const BUSY_MAX = 1_000;

/**
 * Asks the owner of a job for its state in memory: this node directly, another one by a command in
 * its mailbox and an answer in the database. One statement at a time looks for all the answers.
 */
export class Inspector {
  readonly #runtime: Runtime;
  readonly #options: InspectorOptions;
  readonly #waiting = new Map<string, (answer: string | null) => void>();
  readonly #shares = new EqualShares("inspections", WAITING_MAX);
  #isLooking = false;

  constructor(runtime: Runtime, options: InspectorOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Null when the owner did not answer in time, or too many questions are open. */
  async inspect(
    database: Database,
    { projectId, ...job }: JobRowKey & { readonly projectId: string },
  ): Promise<Inspection | null> {
    const { shardId, jobRowId } = job;
    if (this.#options.shards.has(shardId)) return this.#look(job);
    const answer = await this.#ask(database, projectId, {
      kind: "job",
      shardId,
      subjectId: jobRowId,
    });
    // Written by this class, on a node of this release or an adjacent one.
    return answer === null ? null : (JSON.parse(answer) as Inspection);
  }

  /**
   * The loads of a project's connections on another node.
   * @param shardId one of that node's shards
   * @returns null when it did not answer in time, or is of the previous release
   */
  async inspectLoads(
    database: Database,
    { shardId, projectId }: { readonly shardId: number; readonly projectId: string },
  ): Promise<readonly NamedLoad[] | null> {
    const answer = await this.#ask(database, projectId, {
      kind: "loads",
      shardId,
      subjectId: projectId,
    });
    if (answer === null) return null;
    return (JSON.parse(answer) as Partial<LoadsAnswer>).loads ?? null;
  }

  /** Answers questions of other nodes. */
  async answer(questions: readonly { readonly id: string }[]): Promise<void> {
    const { database } = this.#options;
    const ids = questions.map(({ id }) => id);
    for (const question of await findInspections(database, ids)) {
      const answer = JSON.stringify(this.#answerTo(question));
      await answerInspection(database, { id: question.id, answer });
    }
  }

  #answerTo({ kind, shardId, subjectId }: InspectionRequest): Inspection | LoadsAnswer {
    switch (kind) {
      case "job":
        return this.#look({ shardId, jobRowId: subjectId });
      case "loads":
        return { loads: this.#options.upstreams.loadsOf(subjectId) };
    }
  }

  async #ask(
    database: Database,
    projectId: string,
    question: Omit<InspectionRequest, "id">,
  ): Promise<string | null> {
    const { uuids, clock, log } = this.#runtime;
    if (!this.#shares.tryTake(projectId)) return null;
    const { shardId } = question;
    const id = uuids(clock.now(), shardId);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const settle = (answer: string | null): void => {
      timer.cancel();
      if (this.#waiting.delete(id)) this.#shares.giveBack(projectId);
      resolve(answer);
    };
    const timer = clock.setTimer(ANSWERED_WITHIN_MS, () => settle(null));
    this.#waiting.set(id, settle);
    try {
      await askInspection(database, { id, ...question });
      await this.#options.commands.send("inspect", [{ shardId, id }]);
    } catch (error) {
      log.debug({ err: error }, "another node could not be asked");
      settle(null);
    }
    this.#lookSoon();
    return promise;
  }

  #look({ shardId, jobRowId }: JobRowKey): Inspection {
    const { watches, rawAnswers, outbox } = this.#options;
    return {
      atMs: this.#runtime.clock.now(),
      job: watches.inspect(shardId, jobRowId),
      rawAnswer: rawAnswers.ask(jobRowId, watches.projectOf(shardId, jobRowId)),
      busy: outbox.busyOfShard(shardId, BUSY_MAX),
    };
  }

  #lookSoon(): void {
    if (this.#isLooking || this.#waiting.size === 0) return;
    this.#isLooking = true;
    this.#runtime.clock.setTimer(LOOK_INTERVAL_MS, () => {
      void this.#takeAnswers().finally(() => {
        this.#isLooking = false;
        this.#lookSoon();
      });
    });
  }

  /** Never rejects: each waiting request gives up by its own deadline. */
  async #takeAnswers(): Promise<void> {
    const { database } = this.#options;
    if (this.#waiting.size === 0) return;
    try {
      for (const { id, answer } of await takeAnswers(database, [...this.#waiting.keys()])) {
        if (answer !== null) this.#waiting.get(id)?.(answer);
      }
    } catch (error) {
      this.#runtime.log.debug({ err: error }, "answers of other nodes could not be read");
    }
  }
}
