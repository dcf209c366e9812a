import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { RowKey } from "../store/sql/row-source.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Database } from "../store/db/database.ts";
import { type NodeCommand, COMMANDS_PER_TAKE_MAX, takeCommands } from "../store/writes/mailbox.ts";
import type { CommandKind } from "../store/schema/schema.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** How soon commands of other nodes are seen. */
const READ_INTERVAL_MS = 250;

/** Carries out commands that other nodes leave for the owner of a shard. */
export interface CommandHandlers {
  /** Jobs were accepted or have got another subscription. */
  watch(jobs: readonly RowKey[]): Promise<void>;
  pollNow(jobs: readonly RowKey[]): Promise<void>;
  /** These subscriptions were deleted. */
  cancel(subscriptions: readonly RowKey[]): Promise<void>;
  /** Deliveries became due out of turn. */
  deliver(deliveries: readonly RowKey[]): Promise<void>;
  /** Another node asks what is known here of jobs; the keys name its questions. */
  inspect(questions: readonly RowKey[]): Promise<void>;
  /** Another node asks for the latest answers about jobs; the keys name its questions. */
  observe(questions: readonly RowKey[]): Promise<void>;
  /** Callback origins that this node has reported are to be tried now. */
  tryOrigin(reports: readonly RowKey[]): Promise<void>;
}

interface MailboxReaderOptions {
  /** Tells when there may be notes. */
  readonly changes?: ChangeSignal | undefined;
  /** While there are other nodes, notes are looked for all the time; the reader rests otherwise. */
  readonly hasNeighbors: () => boolean;
  /** Noted down for the sweep: what a note was about may be missing if it got lost. */
  readonly activity?: { touch(shardId: number): void; touchAll(): void };
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly handlers: CommandHandlers;
}

/** Empties the mailboxes of the owned shards. A note that gets lost is made up for by the sweep. */
export class MailboxReader extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: MailboxReaderOptions;
  /** Taken, and to be tried again: what they are about could not be read. */
  #unhandled: readonly NodeCommand[] = [];

  constructor(runtime: Runtime, options: MailboxReaderOptions) {
    super(runtime, {
      name: "read mail",
      intervalMs: READ_INTERVAL_MS,
      changes: options.changes,
      task: () => this.#round(),
    });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Goes on while there is more, but takes no more before what it has is dealt with. */
  async #round(): Promise<void> {
    this.#unhandled = await this.#handle(this.#unhandled);
    if (this.#options.hasNeighbors()) this.hurry();
    let taken = COMMANDS_PER_TAKE_MAX;
    while (taken === COMMANDS_PER_TAKE_MAX && this.#unhandled.length === 0) {
      const shardIds = this.#options.shards.list;
      if (shardIds.length === 0) return;
      const mail = await this.#take(shardIds);
      taken = mail.length;
      this.#unhandled = await this.#handle(mail);
    }
    if (this.#unhandled.length > 0) this.hurry();
  }

  async #take(shardIds: readonly number[]): Promise<readonly NodeCommand[]> {
    const { database, activity } = this.#options;
    try {
      const mail = await takeCommands(database, shardIds);
      for (const { shardId } of mail) activity?.touch(shardId);
      return mail;
    } catch (error) {
      // They may be taken all the same.
      activity?.touchAll();
      throw error;
    }
  }

  /** Returns the notes that could not be dealt with. */
  async #handle(mail: readonly NodeCommand[]): Promise<readonly NodeCommand[]> {
    const failed: NodeCommand[] = [];
    for (const [kind, handler] of KINDS) {
      const notes = mail.filter((note) => note.kind === kind);
      if (notes.length === 0) continue;
      try {
        const subjects = notes.map((note) => ({ shardId: note.shardId, id: note.subjectId }));
        await this.#options.handlers[handler](subjects);
      } catch (error) {
        this.#runtime.log.warn(
          { err: error, kind },
          "mailbox notes could not be handled; trying again",
        );
        failed.push(...notes);
      }
    }
    return failed;
  }
}

/** Watching first: a job may have been accepted and asked about within one round. */
const KINDS: readonly (readonly [CommandKind, keyof CommandHandlers])[] = [
  ["watch", "watch"],
  ["poll_now", "pollNow"],
  ["cancel", "cancel"],
  ["deliver", "deliver"],
  ["inspect", "inspect"],
  ["observe", "observe"],
  ["try_origin", "tryOrigin"],
];
