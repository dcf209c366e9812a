import { createUuidSource } from "../runtime/runtime.ts";
import { apiKeyRoutes } from "./projects/api-key-routes.ts";
import { auditLogRoutes } from "./projects/audit-log.ts";
import { callbackOriginRoutes } from "./callback-origins/routes.ts";
import { callbackTestRoutes } from "./callback-tests/routes.ts";
import { consoleLinkRoutes } from "./console-links/routes.ts";
import { connectionLoadsRoute } from "./connections/load.ts";
import { connectionRoutes } from "./connections/routes.ts";
import { deliveryRoutes } from "./deliveries/routes.ts";
import { documentationRoutes } from "./docs/routes.ts";
import { eventResultPartRoute } from "./events/result-part.ts";
import { eventRoutes, eventWaitRoute } from "./events/routes.ts";
import type { ApiServices } from "./services.ts";
import { jobRoutes } from "./jobs/routes.ts";
import { operationalEventRoutes } from "./projects/operational-events.ts";
import { projectRoutes } from "./projects/routes.ts";
import { providerRoutes } from "./providers/routes.ts";
import { providerTrialRoutes } from "./providers/trial-routes.ts";
import { redeliveryRoutes } from "./deliveries/redelivery-routes.ts";
import { consumerRoutes } from "./inboxes/consumer-routes.ts";
import { inboxRoutes } from "./inboxes/routes.ts";
import { messagesRoute } from "./inboxes/messages.ts";
import { InboxReader } from "./inboxes/reader.ts";
import { streamRoute } from "./inboxes/stream.ts";
import type { Route } from "./http/route.ts";
import { signingKeyRoutes } from "./signing/signing-key-routes.ts";
import { signingSecretRoutes } from "./signing/signing-secret-routes.ts";
import { statsRoutes, statsHistoryRoute, nodesRoute } from "./stats/routes.ts";
import { subscriptionRoutes } from "./subscriptions/routes.ts";
import { systemRoutes } from "./system.ts";

/** Every route of the API, in the order of its documentation. */
export function apiRoutes(services: ApiServices): Route[] {
  const newUuid = createUuidSource();
  const inboxReader = new InboxReader(services);
  const { waiting } = services;
  const routes = [
    ...subscriptionRoutes(services, waiting),
    ...jobRoutes(services),
    ...deliveryRoutes(services),
    ...redeliveryRoutes(services, newUuid),
    ...callbackOriginRoutes(services),
    ...callbackTestRoutes(services),
    ...inboxRoutes(services),
    messagesRoute(services, inboxReader, waiting),
    streamRoute(services, inboxReader, waiting),
    ...consumerRoutes(services, newUuid),
    // Before the route for one event.
    eventWaitRoute(services, waiting),
    ...eventRoutes(services),
    eventResultPartRoute(),
    ...connectionRoutes(services, newUuid),
    connectionLoadsRoute(services),
    ...providerRoutes(services, newUuid),
    ...providerTrialRoutes(services),
    ...projectRoutes(services),
    ...operationalEventRoutes(),
    ...statsRoutes(services),
    statsHistoryRoute(services),
    ...signingSecretRoutes(services, newUuid),
    ...signingKeyRoutes(services, newUuid),
    ...apiKeyRoutes(services, newUuid),
    ...auditLogRoutes(),
    nodesRoute(services),
    ...(services.hasConsole ? consoleLinkRoutes(services) : []),
    ...systemRoutes(services),
  ];
  return [...routes, ...documentationRoutes(routes, services)];
}
