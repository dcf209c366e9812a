import type { Upstreams } from "../polling/upstream/upstreams.ts";
/** The identity of a job before it has a row: its connection, its id there, its params. */
export type JobName = string;

/**
 * How many live jobs each project has, over all nodes, without asking the database at every accept:
 *
 *   this node's: watched ──────────────────────────────┐
 *                being accepted, until they are watched ├─▶ sum
 *   the others': as of their last sign of life ────────┤
 *                handed over to them since by this node ┘
 *
 * Exact on a single node that has loaded its shards. With several nodes, each learns at most two
 * renewals late (10 s) how many jobs the others have accepted; jobs that it handed over itself count at once.
 */
export class LiveJobs {
  readonly #upstreams: Pick<Upstreams, "jobsByProject">;
  readonly #pending = new Map<string, Map<JobName, number>>();
  #elsewhere: ReadonlyMap<string, number> = new Map();
  /** Counted since the last renewal, and since the one before: other nodes report them later. */
  #handedOver = new Map<string, number>();
  #handedOverBefore: ReadonlyMap<string, number> = new Map();

  constructor(upstreams: Pick<Upstreams, "jobsByProject">) {
    this.#upstreams = upstreams;
  }

  of(projectId: string): number {
    return (
      (this.#upstreams.jobsByProject.get(projectId) ?? 0) +
      (this.#pending.get(projectId)?.size ?? 0) +
      (this.#elsewhere.get(projectId) ?? 0) +
      (this.#handedOver.get(projectId) ?? 0) +
      (this.#handedOverBefore.get(projectId) ?? 0)
    );
  }

  /** The count of this node, for the other nodes. */
  get here(): ReadonlyMap<string, number> {
    return this.#upstreams.jobsByProject;
  }

  /**
   * Counts a job from here on until `settle`, once however many requests there are for it. False, and
   * not counted, when the project would have more than `max` with it.
   */
  begin(projectId: string, name: JobName, max: number): boolean {
    const names = this.#pendingOf(projectId);
    const requests = names.get(name) ?? 0;
    if (requests === 0 && this.of(projectId) >= max) return false;
    names.set(name, requests + 1);
    return true;
  }

  /** A job that was counted is watched now, or was not accepted. */
  settle(projectId: string, name: JobName): void {
    const names = this.#pendingOf(projectId);
    const left = (names.get(name) ?? 0) - 1;
    if (left > 0) names.set(name, left);
    else names.delete(name);
  }

  /** A new job was accepted for another node to watch. */
  handOver(projectId: string): void {
    this.#handedOver.set(projectId, (this.#handedOver.get(projectId) ?? 0) + 1);
  }

  /** Takes the counts that the other nodes published with their renewals. */
  learn(elsewhere: ReadonlyMap<string, number>): void {
    this.#elsewhere = elsewhere;
    this.#handedOverBefore = this.#handedOver;
    this.#handedOver = new Map();
  }

  #pendingOf(projectId: string): Map<JobName, number> {
    const known = this.#pending.get(projectId);
    if (known !== undefined) return known;
    const names = new Map<JobName, number>();
    this.#pending.set(projectId, names);
    return names;
  }
}
