import type { Breaker, BreakerLimits } from "../../core/pace/breaker.ts";
import type { LaneLoad } from "../../lanes/lane-load.ts";
import { Origin } from "../../lanes/origin.ts";
import type { OriginGate } from "../../lanes/origin-gate.ts";
import type { ReadingTime } from "../../lanes/shares/reading-time.ts";
import type { StoredConnection } from "../../store/connections/load-connections.ts";
import { Upstream, type UpstreamOptions } from "./upstream.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/**
 * For each project: faults of all its connections to an origin count, and hold all of them back. For
 * the origin: failures to reach it, by several projects.
 */
const BREAKER: BreakerLimits = {
  failuresInRowMax: 20,
  failingMsMin: 0,
  openMsInitial: 1000,
  openMsMax: 30_000,
};

/** So many gates may be known before those are looked for that no connection leads to any more. */
const GATES_KEPT_MIN = 1_000;

/** The origin of connections that can't be used. */
const UNKNOWN_ORIGIN = "";

export interface UpstreamsOptions extends Omit<UpstreamOptions, "gateOf"> {
  /** Polls in progress to one origin, of all projects; one may have half of them. */
  readonly pollsPerOriginMax: number;
  /** Limits the time of the event loop that reading responses takes; no limit if left out. */
  readonly readingTime?: ReadingTime;
  /** Called when a project's breaker for an origin opens, lets a probe through, and closes. */
  readonly onBreaker?: (origin: string, projectId: string, breaker: Breaker) => void;
}

/** The state of a connection's lane, and the number of jobs in it. */
export interface ConnectionLoad extends LaneLoad {
  readonly jobs: number;
}

/** The load of a connection, by its UUID. */
export interface NamedLoad {
  readonly connectionId: string;
  readonly load: ConnectionLoad;
}

/** Bounds the connections listed for one project on one node. */
const LOADS_MAX = 200;

/** All connections at work on this node, and what those to one origin have in common. */
export class Upstreams {
  readonly #runtime: Runtime;
  readonly #options: UpstreamsOptions;
  readonly #byId = new Map<string, Upstream>();
  readonly #origins = new Map<string, Origin>();
  readonly #jobsByProject = new Map<string, number>();
  /** Gates of projects to all origins. */
  #gateCount = 0;
  #tidyAtGates = GATES_KEPT_MIN;
  #share = 1;

  constructor(runtime: Runtime, options: UpstreamsOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** The connection's; paused until the connection is known. */
  get(connectionId: string): Upstream {
    const known = this.#byId.get(connectionId);
    if (known !== undefined) return known;
    const gateOf = (origin: string, projectId: string) => this.#gateOf(origin, projectId);
    const upstream = new Upstream(this.#runtime, connectionId, { ...this.#options, gateOf });
    upstream.lane.setShare(this.#share);
    this.#byId.set(connectionId, upstream);
    return upstream;
  }

  all(): Iterable<Upstream> {
    return this.#byId.values();
  }

  configure(connection: StoredConnection): void {
    this.get(connection.id).configure(connection);
  }

  /**
   * This node polls another part of the jobs from now on, and takes as large a part of each
   * connection's limits, so that all nodes together keep to them.
   */
  setShare(share: number): void {
    // Who owns nothing polls nothing.
    if (share === 0) return;
    this.#share = share;
    for (const { lane } of this.#byId.values()) lane.setShare(share);
  }

  /** One more job is watched through the connection from now on, or one less. */
  count(connectionId: string, change: 1 | -1): void {
    const upstream = this.get(connectionId);
    upstream.jobs += change;
    const { projectId } = upstream;
    if (projectId === null) return;
    const jobs = (this.#jobsByProject.get(projectId) ?? 0) + change;
    if (jobs === 0) this.#jobsByProject.delete(projectId);
    else this.#jobsByProject.set(projectId, jobs);
  }

  /** How many jobs of each project are watched here. */
  get jobsByProject(): ReadonlyMap<string, number> {
    return this.#jobsByProject;
  }

  /** The connection's lane on this node; null when the connection is not known here. */
  laneOf(connectionId: string): Upstream["lane"] | null {
    return this.#byId.get(connectionId)?.lane ?? null;
  }

  /** The load of a connection on this node; null when it is not known here. */
  loadOf(connectionId: string): ConnectionLoad | null {
    const upstream = this.#byId.get(connectionId);
    return upstream === undefined ? null : { ...upstream.lane.load(), jobs: upstream.jobs };
  }

  /** The loads of a project's connections that have jobs here, those with the most jobs if there are many. */
  loadsOf(projectId: string): readonly NamedLoad[] {
    return this.#byId
      .values()
      .filter((upstream) => upstream.projectId === projectId && upstream.jobs > 0)
      .toArray()
      .toSorted((a, b) => b.jobs - a.jobs)
      .slice(0, LOADS_MAX)
      .map(({ connectionId, lane, jobs }) => ({ connectionId, load: { ...lane.load(), jobs } }));
  }

  /** For how many projects, over all origins that each of them polls, the breaker is in this state. */
  countOrigins(state: Breaker["state"]): number {
    let count = 0;
    for (const [url, origin] of this.#origins) {
      if (url === UNKNOWN_ORIGIN) continue;
      for (const { breaker } of origin.gates()) if (breaker.state === state) count += 1;
    }
    return count;
  }

  get pollsInFlight(): number {
    let count = 0;
    for (const { lane } of this.#byId.values()) count += lane.inFlight;
    return count;
  }

  close(): void {
    for (const upstream of this.#byId.values()) upstream.close();
  }

  #gateOf(url: string, projectId: string): OriginGate {
    const origin = this.#originOf(url);
    const before = origin.gateCount;
    const gate = origin.gateOf(projectId);
    this.#gateCount += origin.gateCount - before;
    if (this.#gateCount > this.#tidyAtGates) this.#tidy(gate);
    return gate;
  }

  /**
   * Forgets gates and origins that connections no longer lead to. A connection can be moved to another
   * origin as often as its project likes, so they would pile up. Seldom enough to cost next to nothing.
   */
  #tidy(newest: OriginGate): void {
    const used = new Set([newest]);
    for (const { lane } of this.#byId.values()) used.add(lane.gate);
    this.#gateCount = 0;
    for (const [url, origin] of this.#origins) {
      for (const gate of origin.gates()) {
        if (!used.has(gate) && gate.inFlight === 0) origin.forget(gate.projectId);
      }
      this.#gateCount += origin.gateCount;
      if (origin.gateCount === 0) this.#origins.delete(url);
    }
    this.#tidyAtGates = Math.max(GATES_KEPT_MIN, 2 * this.#gateCount);
  }

  /** How many origins are known, those that no connection leads to any more included. */
  get originCount(): number {
    return this.#origins.size;
  }

  #originOf(url: string): Origin {
    const known = this.#origins.get(url);
    if (known !== undefined) return known;
    const { pollsPerOriginMax: concurrency, readingTime, onBreaker } = this.#options;
    const origin = new Origin(this.#runtime, {
      resource: "upstream_requests",
      concurrency,
      breaker: BREAKER,
      ...(readingTime && { shareOf: (projectId: string) => readingTime.of(projectId) }),
      onBreaker: (projectId, breaker) => onBreaker?.(url, projectId, breaker),
    });
    this.#origins.set(url, origin);
    return origin;
  }
}
