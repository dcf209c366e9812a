import { Hono } from "hono";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { type MayChange, refuseOtherSites } from "./access.ts";
import { renderGuidePage, renderGuideText } from "./guide-page.ts";
import { Inbox } from "./inbox.ts";
import { createInboxRoutes } from "./inbox-routes.ts";
import { createJobRoutes } from "./jobs/job-routes.ts";
import { JobStore } from "./jobs/job-store.ts";
import { PAGE_HEADERS, wantsPage } from "./page.ts";

export interface SandboxOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** `whsec_…` texts that callbacks may be signed with. */
  readonly signingSecrets: () => Promise<readonly string[]>;
  /** The gateway's own address, without a slash at the end; asked for with each request. */
  readonly baseUrl: () => string;
  /** Names under which it may be asked, in lower case; addresses always will do. */
  readonly hosts: ReadonlySet<string>;
  readonly mayChange: MayChange;
}

/**
 * A fake upstream and a receiver, so that the whole loop can be seen without an account anywhere:
 * mount it under `/sandbox`. Anybody who reaches it reads it, changes need an API key; in memory.
 * Not for production.
 */
export function createSandbox(options: SandboxOptions): Hono {
  const { clock, random, signingSecrets, baseUrl, hosts, mayChange } = options;
  const sandboxUrl = (): string => `${baseUrl()}/sandbox`;
  const sandbox = new Hono();
  sandbox.use(refuseOtherSites(hosts));
  sandbox.get("/", (c) => {
    c.header("vary", "accept");
    if (!wantsPage(c)) return c.text(renderGuideText(baseUrl()));
    return c.html(renderGuidePage(baseUrl()), 200, PAGE_HEADERS);
  });
  sandbox.route("/", createJobRoutes({ clock, jobs: new JobStore(random), sandboxUrl, mayChange }));
  sandbox.route(
    "/",
    createInboxRoutes({ clock, inbox: new Inbox(), signingSecrets, sandboxUrl, mayChange }),
  );
  return sandbox;
}
