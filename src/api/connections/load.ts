import { publicId } from "../../core/ids/ids.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, isoTime } from "../http/answer.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { connectionLoadsSchema } from "./schema.ts";
import { loadView } from "./view.ts";
import type { ConnectionLoad } from "../../polling/upstream/upstreams.ts";

/** The load of the project's connections over all nodes. */
export function connectionLoadsRoute({ connectionLoads }: ApiServices): Route {
  return defineRoute({
    operationId: "getConnectionLoads",
    method: "GET",
    path: "/v1/connection-loads",
    tag: "Connections",
    summary: "Get the load of the connections over all nodes",
    description:
      "The other nodes are asked for it, which takes up to two seconds; the answer is then the same for " +
      "two seconds. Of each node the 200 connections with the most jobs.",
    scope: "admin",
    success: {
      status: 200,
      description: "The load of each connection that has jobs.",
      schema: connectionLoadsSchema,
    },
    async handle({ database, caller: { projectId } }) {
      const { atMs, missingNodes, byConnection } = await connectionLoads.of(database, projectId);
      const data = Array.from(byConnection, ([id, nodes]) => {
        const total = totalLoad(nodes.map(({ load }) => load));
        return {
          connection_id: publicId("connection", id),
          total: total === null ? null : loadView(total),
          nodes: nodes.map(({ nodeId, load }) => ({ node_id: nodeId, ...loadView(load) })),
        };
      });
      return jsonAnswer(
        200,
        JSON.stringify({
          object: "connection_loads",
          as_of: isoTime(atMs),
          missing_nodes: missingNodes,
          data,
        }),
      );
    },
  });
}

const BY_TROUBLE = ["closed", "half_open", "open"] as const;

/**
 * The load of a connection over its nodes: numbers add up, and where it is held back the node that is
 * most behind says why.
 */
export function totalLoad(loads: readonly ConnectionLoad[]): ConnectionLoad | null {
  const [first, ...others] = loads;
  if (first === undefined) return null;
  return others.reduce(added, first);
}

function added(a: ConnectionLoad, b: ConnectionLoad): ConnectionLoad {
  const further = b.behindMs > a.behindMs || a.hold === null ? b : a;
  const isWorse = BY_TROUBLE.indexOf(b.breaker) > BY_TROUBLE.indexOf(a.breaker);
  return {
    hold: further.hold ?? a.hold,
    pauseCause: a.pauseCause ?? b.pauseCause,
    pausedUntilMs: either(Math.max, a.pausedUntilMs, b.pausedUntilMs),
    probeAtMs: either(Math.min, a.probeAtMs, b.probeAtMs),
    breaker: isWorse ? b.breaker : a.breaker,
    jobs: a.jobs + b.jobs,
    inFlight: a.inFlight + b.inFlight,
    waiting: a.waiting + b.waiting,
    behindMs: Math.max(a.behindMs, b.behindMs),
    requestsPerSecond:
      a.requestsPerSecond === null || b.requestsPerSecond === null
        ? null
        : a.requestsPerSecond + b.requestsPerSecond,
  };
}

function either(
  choose: (a: number, b: number) => number,
  a: number | null,
  b: number | null,
): number | null {
  return a === null ? b : b === null ? a : choose(a, b);
}
