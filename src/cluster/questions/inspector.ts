import type { JobRowKey } from "../../store/jobs/fetched-results.ts";
import type { HeldState } from "../../core/waiting/delivery-wait.ts";
import type { Outbox } from "../../delivery/outbox/outbox.ts";
import type { CommandRouter } from "../../intake/command-router.ts";
import type { RawAnswer, RawAnswers } from "../../polling/watch/raw-answers.ts";
import type { LiveJobView, WatchList } from "../../polling/watch/list.ts";
import type { NamedLoad, Upstreams } from "../../polling/upstream/upstreams.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  answerInspections,
  findInspections,
  type InspectionAnswer,
  type InspectionRequest,
} from "../../store/inspections.ts";
import { OwnerQuestions } from "./owner-questions.ts";

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

/**
 * For all requests together, and of a project as many as it leaves free; further ones are answered from
 * the database alone.
 */
const WAITING_MAX = 50;
const BUSY_MAX = 1_000;

/**
 * Asks the owner of a job for its state in memory: this node directly, another one by a command in
 * its mailbox and an answer in the database.
 */
export class Inspector {
  readonly #runtime: Runtime;
  readonly #options: InspectorOptions;
  readonly #questions: OwnerQuestions;

  constructor(runtime: Runtime, options: InspectorOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#questions = new OwnerQuestions(runtime, {
      ...options,
      command: "inspect",
      resource: "inspections",
      waitingMax: WAITING_MAX,
    });
  }

  /** Null when the owner did not answer in time, or too many questions are open. */
  async inspect({
    projectId,
    ...job
  }: JobRowKey & { readonly projectId: string }): Promise<Inspection | null> {
    const { shardId, jobRowId } = job;
    if (this.#options.shards.has(shardId)) return this.#look(job);
    const question = { kind: "job" as const, shardId, subjectId: jobRowId, knownState: null };
    const answer = await this.#questions.ask(projectId, question);
    // Written by this class, on a node of this release or an adjacent one.
    return answer === null ? null : (JSON.parse(answer) as Inspection);
  }

  /**
   * The loads of a project's connections on another node.
   * @param shardId one of that node's shards
   * @returns null when it did not answer in time, or is of the previous release
   */
  async inspectLoads({
    shardId,
    projectId,
  }: {
    readonly shardId: number;
    readonly projectId: string;
  }): Promise<readonly NamedLoad[] | null> {
    const question = { kind: "loads" as const, shardId, subjectId: projectId, knownState: null };
    const answer = await this.#questions.ask(projectId, question);
    if (answer === null) return null;
    return (JSON.parse(answer) as { readonly loads?: readonly NamedLoad[] }).loads ?? null;
  }

  /** Answers questions of other nodes. */
  async answer(questions: readonly { readonly id: string }[]): Promise<void> {
    const { database } = this.#options;
    const ids = questions.map(({ id }) => id);
    const answers: InspectionAnswer[] = [];
    for (const question of await findInspections(database, ids)) {
      const answer = this.#answerTo(question);
      if (answer !== null) answers.push({ id: question.id, answer: JSON.stringify(answer) });
    }
    await answerInspections(database, answers);
  }

  /** Null for what is asked in another way. */
  #answerTo({
    kind,
    shardId,
    subjectId,
  }: InspectionRequest): Inspection | { readonly loads: readonly NamedLoad[] } | null {
    switch (kind) {
      case "job":
        return this.#look({ shardId, jobRowId: subjectId });
      case "loads":
        return { loads: this.#options.upstreams.loadsOf(subjectId) };
      case "status":
        return null;
    }
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
}
