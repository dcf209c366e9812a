import { findNodes } from "../store/nodes.ts";
import type { ApiServices } from "./services.ts";
import { pageAnswer } from "./http/answer.ts";
import { isoTime } from "./http/iso-time.ts";
import { defineRoute, type Route } from "./http/route.ts";
import { nodesSchema } from "./stats-schema.ts";

/** The gateway's processes, without their addresses, which are the operator's business. */
export function nodesRoute(services: ApiServices): Route {
  return defineRoute({
    operationId: "listNodes",
    method: "GET",
    path: "/v1/nodes",
    tag: "System",
    summary: "List the nodes of the gateway, with their shards and leases",
    description:
      "All nodes that have a lease, and those whose lease expired in the last ten minutes, 100 at " +
      "most.",
    scope: "admin",
    success: { status: 200, description: "The nodes, longest running first.", schema: nodesSchema },
    async handle({ database, caller: { projectId } }) {
      const nodes = await findNodes(database, projectId);
      const items = nodes.map((node) =>
        JSON.stringify({
          object: "node",
          id: node.id,
          answering: node.id === services.nodeId,
          started_at: isoTime(node.startedAtMs),
          lease_renewed_at: isoTime(node.renewedAtMs),
          lease_expires_at: isoTime(node.leaseExpiresAtMs),
          is_live: node.isLive,
          shards: node.shards,
          live_jobs: node.liveJobs,
        }),
      );
      return pageAnswer(items, null);
    },
  });
}
