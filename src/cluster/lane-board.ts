import { isFree, LANE_FREE, type LaneStatus } from "../core/waiting/lane-status.ts";
import type { OriginQueue } from "../delivery/outbox/origin-queue.ts";
import type { Outbox } from "../delivery/outbox/outbox.ts";
import type { CommandRouter } from "../intake/command-router.ts";
import type { Upstreams } from "../polling/upstream/upstreams.ts";
import { LaneReports } from "./lane-reports.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import {
  findLaneStatuses,
  findReportedOrigins,
  type LaneName,
  type LaneOfShard,
  type LaneState,
  putLaneStates,
  removeLaneStates,
  type ReportedLane,
} from "../store/lane-states.ts";

const REPORT_INTERVAL_MS = 1_000;

interface LaneBoardOptions {
  readonly nodeId: string;
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "has">;
  readonly upstreams: Upstreams;
  readonly outbox: Outbox;
  readonly commands: CommandRouter;
}

/**
 * The state of lanes on all nodes. A node knows its own from memory. Every second it stores those
 * that something blocks, if that has changed, and reads the states of the others there. Lanes
 * without trouble cost no statement.
 */
export class LaneBoard implements Service {
  readonly #runtime: Runtime;
  readonly #options: LaneBoardOptions;
  readonly #repeater: Repeater;
  readonly #reports = new LaneReports();

  constructor(runtime: Runtime, options: LaneBoardOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#repeater = new Repeater(runtime, {
      name: "report lanes",
      intervalMs: REPORT_INTERVAL_MS,
      task: () => this.report(),
    });
  }

  start(): Promise<void> {
    return this.#repeater.start();
  }

  async stop(): Promise<void> {
    await this.#repeater.stop();
    if (this.#reports.size === 0) return;
    this.#reports.clear();
    const { database, nodeId } = this.#options;
    try {
      await removeLaneStates(database, nodeId);
    } catch (error) {
      // Reports of a node are ignored once its lease has expired.
      this.#runtime.log.warn({ err: error }, "reports of lanes could not be removed");
    }
  }

  /** The state of lanes on the nodes that own the shards, in the given order. */
  async statusesOf(database: Database, lanes: readonly LaneOfShard[]): Promise<LaneStatus[]> {
    const elsewhere = lanes.filter(({ shardId }) => !this.#options.shards.has(shardId));
    const stored = elsewhere.length === 0 ? [] : await findLaneStatuses(database, elsewhere);
    const byLane = new Map(elsewhere.map((lane, index) => [lane, stored[index] ?? LANE_FREE]));
    return lanes.map((lane) => byLane.get(lane) ?? this.#statusHere(lane));
  }

  /** The nodes' reports about a project's callback origins, with this node's current state. */
  async origins(
    database: Database,
    projectId: string,
    origins: readonly string[],
  ): Promise<ReportedLane[]> {
    if (origins.length === 0) return [];
    const { nodeId } = this.#options;
    const reported = await findReportedOrigins(database, { projectId, origins });
    const here = origins.flatMap((origin) => {
      const queue = this.#options.outbox.queueOf(projectId, origin);
      return queue === null ? [] : [this.#originState(queue)];
    });
    return [
      ...reported.filter((lane) => lane.nodeId !== nodeId),
      ...here.map((lane) => Object.assign(lane, { nodeId, shardId: null })),
    ];
  }

  /**
   * Sends to an origin now, although it fails or asked for a pause: on this node, and on those that
   * report it as blocked.
   */
  async tryOrigin(of: {
    readonly projectId: string;
    readonly origin: string;
    readonly reports: readonly ReportedLane[];
  }): Promise<void> {
    const { commands, nodeId } = this.#options;
    this.#tryHere(of.projectId, of.origin);
    const elsewhere = of.reports.flatMap(({ id, nodeId: reporter, shardId }) =>
      reporter === nodeId || shardId === null ? [] : [{ id, shardId }],
    );
    if (elsewhere.length > 0) await commands.send("try_origin", elsewhere);
  }

  /** Sends to the origins that this node has reported under these ids. */
  tryReported(reports: readonly { readonly id: string }[]): Promise<void> {
    const wanted = new Set(reports.map(({ id }) => id));
    for (const { id, kind, projectId, name } of this.#reports.all()) {
      if (kind === "origin" && wanted.has(id)) this.#tryHere(projectId, name);
    }
    return Promise.resolve();
  }

  /** Stores changes, as many as one report may hold. */
  async report(): Promise<void> {
    const changes = this.#reports.changes([...this.#connectionsHere(), ...this.#originsHere()]);
    if (changes.put.length === 0 && changes.removed.length === 0) return;
    const { database, nodeId } = this.#options;
    await putLaneStates(database, nodeId, changes);
    this.#reports.store(changes);
  }

  #tryHere(projectId: string, origin: string): void {
    this.#options.outbox.queueOf(projectId, origin)?.lane.probeNow();
  }

  #statusHere({ projectId, kind, name }: LaneName): LaneStatus {
    const { upstreams, outbox } = this.#options;
    const lane =
      kind === "connection" ? upstreams.laneOf(name) : outbox.queueOf(projectId, name)?.lane;
    return lane?.status() ?? LANE_FREE;
  }

  /** Connections that are paused or unusable are known to every node from their rows. */
  #connectionsHere(): LaneState[] {
    const states: LaneState[] = [];
    for (const { connectionId, projectId, problem, lane } of this.#options.upstreams.all()) {
      if (projectId === null || problem !== null || !lane.isHeldUp) continue;
      const name = { projectId, kind: "connection", name: connectionId } as const;
      const state = this.#stateOf(name, lane.status());
      if (!isFree(state)) states.push(state);
    }
    return states;
  }

  #originsHere(): LaneState[] {
    return this.#options.outbox.heldUpQueues
      .map((queue) => this.#originState(queue))
      .filter((state) => !isFree(state));
  }

  #originState({ projectId, origin, lane, failure }: OriginQueue): LaneState {
    const state = this.#stateOf({ projectId, kind: "origin", name: origin }, lane.status());
    // A failure that holds nothing back any more is old news.
    const latest = isFree(state) ? null : failure;
    return { ...state, failure: latest, perSecond: lane.perSecondOfAll };
  }

  #stateOf(lane: LaneName, status: LaneStatus): LaneState {
    const { uuids, clock } = this.#runtime;
    const id = this.#reports.find(lane)?.id ?? uuids(clock.now(), 0);
    return { ...lane, ...status, id, failure: null, perSecond: null };
  }
}
