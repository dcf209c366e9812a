import type { Scope } from "../../core/scopes.ts";

const READ = "subscriptions:read";
const WRITE = "subscriptions:write";

/**
 * The navigation in groups, in its order. A section is shown to keys that hold its scope, and in links to the
 * project if it says so.
 */
export const SECTIONS = {
  overview: { title: "Overview", path: "overview", scope: READ, inLinks: true, group: "Activity" },
  jobs: { title: "Jobs", path: "jobs", scope: READ, inLinks: true, group: "Activity" },
  subscriptions: {
    title: "Subscriptions",
    path: "subscriptions",
    scope: READ,
    inLinks: true,
    group: "Activity",
  },
  deliveries: {
    title: "Deliveries",
    path: "deliveries",
    scope: READ,
    inLinks: true,
    group: "Activity",
  },
  redeliveries: { title: "Redeliveries", path: "redeliveries", scope: READ, group: "Activity" },
  events: { title: "Events", path: "events", scope: READ, inLinks: true, group: "Activity" },
  origins: {
    title: "Callback origins",
    path: "callback-origins",
    scope: READ,
    inLinks: true,
    group: "Health",
  },
  connections: { title: "Connections", path: "connections", scope: "admin", group: "Health" },
  operations: {
    title: "Operational events",
    path: "operational-events",
    scope: "admin",
    group: "Health",
  },
  providers: { title: "Providers", path: "providers", scope: READ, group: "Build" },
  test: { title: "Test a callback", path: "callback-test", scope: WRITE, group: "Build" },
  sandbox: { title: "Sandbox", path: "sandbox", scope: WRITE, group: "Build" },
  links: { title: "Console links", path: "console-links", scope: WRITE, group: "Build" },
  project: { title: "Project", path: "project", scope: "admin", group: "Settings" },
  keys: { title: "API keys", path: "api-keys", scope: "admin", group: "Settings" },
  signing: { title: "Signing", path: "signing", scope: "admin", group: "Settings" },
  audit: { title: "Audit log", path: "audit-log", scope: "admin", group: "Settings" },
} as const satisfies Readonly<
  Record<
    string,
    {
      readonly title: string;
      readonly path: string;
      readonly scope: Scope;
      readonly group: string;
      readonly inLinks?: true;
    }
  >
>;

export type SectionName = keyof typeof SECTIONS;
