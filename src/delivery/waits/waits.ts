import type { OwnedShards } from "../../runtime/owned-shards.ts";
import type { Runtime, Service } from "../../runtime/runtime.ts";
import type { PooledDatabase } from "../../store/db/database.ts";
import { ConsumerClaims } from "./consumer-claims.ts";
import { EndingWaits } from "./ending-waits.ts";
import { EventWaits } from "./event-waits.ts";
import { InboxFeed } from "./inbox-feed.ts";

interface WaitsOptions {
  readonly nodeId: string;
  readonly database: PooledDatabase;
  readonly shards: Pick<OwnedShards, "has">;
  /** Larger results go by reference. */
  readonly inlineResultBytesMax: number;
}

/** Requests that wait for something to happen, and the claims of those that read inboxes. */
export class Waits {
  /** For the end of a job. */
  readonly endings: EndingWaits;
  /** For new events of a project. */
  readonly events: EventWaits;
  /** For messages of inboxes. */
  readonly inboxFeed: InboxFeed;
  readonly consumerClaims: ConsumerClaims;

  constructor(runtime: Runtime, options: WaitsOptions) {
    const { nodeId, database, shards } = options;
    this.endings = new EndingWaits(runtime, database, shards);
    this.events = new EventWaits(runtime, database);
    this.consumerClaims = new ConsumerClaims(runtime, database, nodeId);
    this.inboxFeed = new InboxFeed(runtime, { ...options, claims: this.consumerClaims });
  }

  /** Ends the requests that wait, and keeps none for long from now on. */
  beginStopping(): void {
    for (const waits of this.#all) waits.beginStopping();
  }

  async start(): Promise<void> {
    for (const waits of this.#all) await waits.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((waits) => waits.stop()));
  }

  get #all(): readonly (Service & { beginStopping(): void })[] {
    return [this.endings, this.events, this.inboxFeed];
  }
}
