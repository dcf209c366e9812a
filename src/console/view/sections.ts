import type { Scope } from "../../core/scopes.ts";

/**
 * The navigation, in its order. A section is shown to keys that hold its scope, and in links to the project if
 * it says so.
 */
export const SECTIONS = {
  overview: { title: "Overview", path: "overview", scope: "subscriptions:read", inLinks: true },
  jobs: { title: "Jobs", path: "jobs", scope: "subscriptions:read", inLinks: true },
  subscriptions: {
    title: "Subscriptions",
    path: "subscriptions",
    scope: "subscriptions:read",
    inLinks: true,
  },
  deliveries: {
    title: "Deliveries",
    path: "deliveries",
    scope: "subscriptions:read",
    inLinks: true,
  },
  redeliveries: { title: "Redeliveries", path: "redeliveries", scope: "subscriptions:read" },
  origins: {
    title: "Callback origins",
    path: "callback-origins",
    scope: "subscriptions:read",
    inLinks: true,
  },
  connections: { title: "Connections", path: "connections", scope: "admin" },
  providers: { title: "Providers", path: "providers", scope: "subscriptions:read" },
  events: { title: "Events", path: "events", scope: "subscriptions:read", inLinks: true },
  operations: { title: "Operational events", path: "operational-events", scope: "admin" },
  test: { title: "Test a callback", path: "callback-test", scope: "subscriptions:write" },
  links: { title: "Console links", path: "console-links", scope: "subscriptions:write" },
  sandbox: { title: "Sandbox", path: "sandbox", scope: "subscriptions:write" },
  keys: { title: "API keys", path: "api-keys", scope: "admin" },
  signing: { title: "Signing", path: "signing", scope: "admin" },
  project: { title: "Project", path: "project", scope: "admin" },
  audit: { title: "Audit log", path: "audit-log", scope: "admin" },
} as const satisfies Readonly<
  Record<
    string,
    {
      readonly title: string;
      readonly path: string;
      readonly scope: Scope;
      readonly inLinks?: true;
    }
  >
>;

export type SectionName = keyof typeof SECTIONS;
