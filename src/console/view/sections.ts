import type { Scope } from "../../core/scopes.ts";

/** The navigation, in its order. A section is shown to keys that hold its scope. */
export const SECTIONS = {
  jobs: { title: "Jobs", path: "jobs", scope: "subscriptions:read" },
} as const satisfies Readonly<
  Record<string, { readonly title: string; readonly path: string; readonly scope: Scope }>
>;

export type SectionName = keyof typeof SECTIONS;
