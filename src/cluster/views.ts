import type { Outbox } from "../delivery/outbox/outbox.ts";
import type { CommandRouter } from "../intake/command-router.ts";
import type { Poller } from "../polling/poller.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { ConnectionLoads } from "./questions/connection-loads.ts";
import { Inspector } from "./questions/inspector.ts";
import { LaneBoard } from "./lane-board.ts";
import { WatchedStatuses } from "./questions/watched-statuses.ts";

interface ViewsOptions {
  readonly nodeId: string;
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "has">;
  readonly hasNeighbors: () => boolean;
  readonly poller: Poller;
  readonly outbox: Outbox;
  readonly commands: CommandRouter;
}

/** Parts of the nodes' memory that any node can show. */
export class Views {
  /** Status of lanes. */
  readonly lanes: LaneBoard;
  /** Asks whichever node owns a job for its state there. */
  readonly inspector: Inspector;
  readonly connectionLoads: ConnectionLoads;
  /** The latest answers about watched jobs. */
  readonly statuses: WatchedStatuses;

  constructor(runtime: Runtime, options: ViewsOptions) {
    const { watches, rawAnswers } = options.poller;
    const { upstreams } = watches;
    this.lanes = new LaneBoard(runtime, { ...options, upstreams });
    this.inspector = new Inspector(runtime, { ...options, watches, rawAnswers, upstreams });
    const { nodeId } = options;
    this.connectionLoads = new ConnectionLoads(runtime, nodeId, upstreams, this.inspector);
    this.statuses = new WatchedStatuses(runtime, options);
  }
}
