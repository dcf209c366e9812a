import {
  type DeliveryWait,
  decideDeliveryWait,
  type HeldState,
} from "../core/waiting/delivery-wait.ts";
import { decideJobWait, type JobWait, type Waiting } from "../core/waiting/job-wait.ts";
import { LANE_FREE, type LaneStatus } from "../core/waiting/lane-status.ts";
import type { Database } from "../store/db/database.ts";
import type { DeliveryRow } from "../store/deliveries/delivery-record.ts";
import type { JobRecord } from "../store/jobs/find-jobs.ts";
import type { ApiServices } from "./services.ts";

export type WaitFacts = Pick<ApiServices, "watches" | "connections" | "lanes" | "outbox" | "clock">;

/** The facts about a job that decide what it waits for. */
export interface WaitingJob extends Pick<
  JobRecord,
  "shardId" | "projectId" | "connectionId" | "status" | "endedAtMs" | "pollCount" | "lastOutcome"
> {
  readonly jobRowId: string;
}

export type JobWaits = (job: WaitingJob) => Waiting<JobWait> | null;

/** Asks no other nodes: for the jobs that they poll only the rows are known. */
export function jobWaitsHere(facts: WaitFacts): JobWaits {
  return (job) => waitOfJob(job, facts, LANE_FREE);
}

/** The jobs that other nodes poll take one statement together. */
export async function jobWaits(
  database: Database,
  facts: WaitFacts,
  jobs: readonly WaitingJob[],
): Promise<JobWaits> {
  const elsewhere = jobs.filter(
    (job) => isLive(job) && facts.watches.view(job.shardId, job.jobRowId) === null,
  );
  const statuses = await facts.lanes.statusesOf(
    database,
    elsewhere.map(({ shardId, projectId, connectionId: name }) => {
      return { shardId, projectId, kind: "connection", name };
    }),
  );
  const byId = new Map(elsewhere.map(({ jobRowId }, index) => [jobRowId, statuses[index]]));
  return (job) => waitOfJob(job, facts, byId.get(job.jobRowId) ?? LANE_FREE);
}

function waitOfJob(
  job: WaitingJob,
  { watches, connections, clock }: WaitFacts,
  lane: LaneStatus,
): Waiting<JobWait> | null {
  if (!isLive(job)) return null;
  const live = watches.view(job.shardId, job.jobRowId);
  if (live !== null) return live.wait;
  return decideJobWait({
    connection: connections.factsOf(job.connectionId),
    pollCount: job.pollCount,
    outcome: job.lastOutcome,
    nextPollAtMs: null,
    isEnding: false,
    lane,
    nowMs: clock.now(),
  });
}

function isLive({ endedAtMs, status }: WaitingJob): boolean {
  return endedAtMs === null && status !== "unwatched";
}

export type DeliveryWaits = (delivery: DeliveryRow) => Waiting<DeliveryWait> | null;

/**
 * The waits of a project's deliveries.
 * @param busy states that their owner reported; null to use only this node's memory
 */
export async function deliveryWaits(
  database: Database,
  facts: Pick<WaitFacts, "lanes" | "outbox" | "clock">,
  projectId: string,
  deliveries: readonly DeliveryRow[],
  busy: ReadonlyMap<string, HeldState> | null = null,
): Promise<DeliveryWaits> {
  const { lanes: board, outbox, clock } = facts;
  const pending = deliveries.filter(({ status }) => status === "pending");
  // Many deliveries of a page go to the same origin and belong to the same node.
  const lanes = new Map(
    pending.map(({ shardId, callbackOrigin: name }) => {
      return [laneKey(shardId, name), { shardId, projectId, kind: "origin" as const, name }];
    }),
  );
  const found = await board.statusesOf(database, [...lanes.values()]);
  const statuses = new Map([...lanes.keys()].map((key, index) => [key, found[index]]));
  return ({ id, shardId, status, nextAttemptAtMs, callbackOrigin }) =>
    decideDeliveryWait({
      status,
      nextAttemptAtMs,
      held: outbox.stateOf(id) ?? busy?.get(id) ?? null,
      lane: statuses.get(laneKey(shardId, callbackOrigin)) ?? LANE_FREE,
      nowMs: clock.now(),
    });
}

function laneKey(shardId: number, name: string): string {
  return `${shardId} ${name}`;
}
