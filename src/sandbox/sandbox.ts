import { Hono } from "hono";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { renderGuidePage, renderGuideText } from "./guide-page.ts";
import { Inbox } from "./inbox.ts";
import { createInboxRoutes } from "./inbox-routes.ts";
import { createJobRoutes } from "./job-routes.ts";
import { JobStore } from "./job-store.ts";
import { PAGE_HEADERS, wantsPage } from "./page.ts";

export interface SandboxOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** `whsec_…` texts that callbacks may be signed with. */
  readonly signingSecrets: () => Promise<readonly string[]>;
  /** The gateway's own address, without a slash at the end; asked for with each request. */
  readonly baseUrl: () => string;
}

/**
 * A fake upstream and a receiver, so that the whole loop can be seen without an account anywhere:
 * mount it under `/sandbox`. Unauthenticated and in memory; not for production.
 */
export function createSandbox({ clock, random, signingSecrets, baseUrl }: SandboxOptions): Hono {
  const sandboxUrl = (): string => `${baseUrl()}/sandbox`;
  const sandbox = new Hono();
  sandbox.get("/", (c) => {
    c.header("vary", "accept");
    if (!wantsPage(c)) return c.text(renderGuideText(baseUrl()));
    return c.html(renderGuidePage(baseUrl()), 200, PAGE_HEADERS);
  });
  sandbox.route("/", createJobRoutes({ clock, jobs: new JobStore(random), sandboxUrl }));
  sandbox.route("/", createInboxRoutes({ clock, inbox: new Inbox(), signingSecrets, sandboxUrl }));
  return sandbox;
}
