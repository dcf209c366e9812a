import type { ConnectionLoad, NamedLoad, Upstreams } from "../../polling/upstream/upstreams.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { findReachableNodes } from "../../store/nodes.ts";
import type { Inspector } from "./inspector.ts";

/** Everybody who looks within this time sees the same. */
const SAME_FOR_MS = 2_000;
/** The longest-unused is forgotten. */
const PROJECTS_MAX = 200;

/** The part of a connection's load that one node has. */
interface LoadOnNode {
  readonly nodeId: string;
  readonly load: ConnectionLoad;
}

/** The loads of a project's connections over all nodes. */
interface ProjectLoads {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Nodes that did not answer in time; their part is missing. */
  readonly missingNodes: readonly string[];
  /** By the connection's UUID. */
  readonly byConnection: ReadonlyMap<string, readonly LoadOnNode[]>;
}

/**
 * Gathers the load of connections from all nodes on request: nothing is published in between, and
 * requests for a project at the same time share one round of the nodes.
 */
export class ConnectionLoads {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #nodeId: string;
  readonly #upstreams: Pick<Upstreams, "loadsOf">;
  readonly #inspector: Pick<Inspector, "inspectLoads">;
  readonly #byProject = new Map<string, { atMs: number; loads: Promise<ProjectLoads> }>();

  constructor(
    runtime: Pick<Runtime, "clock">,
    nodeId: string,
    upstreams: Pick<Upstreams, "loadsOf">,
    inspector: Pick<Inspector, "inspectLoads">,
  ) {
    this.#runtime = runtime;
    this.#nodeId = nodeId;
    this.#upstreams = upstreams;
    this.#inspector = inspector;
  }

  of(database: Database, projectId: string): Promise<ProjectLoads> {
    const atMs = this.#runtime.clock.monotonic();
    const known = this.#byProject.get(projectId);
    if (known !== undefined && atMs - known.atMs < SAME_FOR_MS) return known.loads;
    const loads = this.#gather(database, projectId);
    this.#byProject.delete(projectId);
    this.#byProject.set(projectId, { atMs, loads });
    const [oldest = ""] = this.#byProject.keys();
    if (this.#byProject.size > PROJECTS_MAX) this.#byProject.delete(oldest);
    // The next one who looks asks again.
    loads.catch(() => {
      if (this.#byProject.get(projectId)?.loads === loads) this.#byProject.delete(projectId);
    });
    return loads;
  }

  async #gather(database: Database, projectId: string): Promise<ProjectLoads> {
    const nodes = await findReachableNodes(database);
    const others = nodes.filter(({ id }) => id !== this.#nodeId);
    const answers = await Promise.all(
      others.map(async ({ id, shardId }) => ({
        id,
        loads: await this.#inspector.inspectLoads({ shardId, projectId }),
      })),
    );
    const own = { id: this.#nodeId, loads: this.#upstreams.loadsOf(projectId) };
    return {
      atMs: this.#runtime.clock.now(),
      missingNodes: answers.filter(({ loads }) => loads === null).map(({ id }) => id),
      byConnection: byConnection([own, ...answers]),
    };
  }
}

function byConnection(
  answers: readonly { readonly id: string; readonly loads: readonly NamedLoad[] | null }[],
): ReadonlyMap<string, readonly LoadOnNode[]> {
  const found = answers.flatMap(({ id, loads }) =>
    (loads ?? []).map(({ connectionId, load }) => ({ connectionId, nodeId: id, load })),
  );
  return Map.groupBy(found, ({ connectionId }) => connectionId);
}
