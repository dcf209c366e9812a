import { createUuidSource } from "../runtime/uuid-source.ts";
import { apiKeyRoutes } from "./api-key-routes.ts";
import { auditLogRoutes } from "./audit-log-routes.ts";
import { callbackTestRoutes } from "./callback-test-routes.ts";
import { connectionRoutes } from "./connection-routes.ts";
import { deliveryRoutes } from "./delivery-routes.ts";
import { documentationRoutes } from "./documentation-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import type { ApiPorts } from "./ports.ts";
import { projectRoutes } from "./project-routes.ts";
import { providerRoutes } from "./provider-routes.ts";
import { providerTrialRoutes } from "./provider-trial-routes.ts";
import { redeliveryRoutes } from "./redelivery-routes.ts";
import type { Route } from "./route.ts";
import { signingKeyRoutes } from "./signing-key-routes.ts";
import { signingSecretRoutes } from "./signing-secret-routes.ts";
import { subscriptionRoutes } from "./subscription-routes.ts";
import { systemRoutes } from "./system-routes.ts";

/** Every address of the API, in the order of its documentation. */
export function apiRoutes(ports: ApiPorts): Route[] {
  const newUuid = createUuidSource();
  const routes = [
    ...subscriptionRoutes(ports),
    ...deliveryRoutes(ports),
    ...redeliveryRoutes(ports, newUuid),
    ...callbackTestRoutes(ports),
    ...eventRoutes(ports),
    ...connectionRoutes(ports, newUuid),
    ...providerRoutes(ports, newUuid),
    ...providerTrialRoutes(ports),
    ...projectRoutes(ports),
    ...signingSecretRoutes(ports, newUuid),
    ...signingKeyRoutes(ports, newUuid),
    ...apiKeyRoutes(ports, newUuid),
    ...auditLogRoutes(),
    ...systemRoutes(ports),
  ];
  return [...routes, ...documentationRoutes(routes, ports)];
}
