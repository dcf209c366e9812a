import { publicId } from "../../core/ids/ids.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer } from "../http/answer.ts";
import { isoTime } from "../http/iso-time.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { connectionLoadsSchema } from "./schema.ts";
import { totalLoad } from "./total-load.ts";
import { loadView } from "./view.ts";

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
