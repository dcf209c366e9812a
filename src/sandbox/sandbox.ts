import { Hono } from "hono";
import type { Clock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type MayChange, refuseOtherSites } from "./access.ts";
import { guideText } from "./guide.ts";
import { type Callback, SandboxInbox } from "./inbox.ts";
import { createInboxRoutes } from "./inbox-routes.ts";
import { createJobRoutes } from "./jobs/job-routes.ts";
import { JobStore, type Submission } from "./jobs/job-store.ts";

interface SandboxOptions {
  /** `whsec_…` texts that callbacks may be signed with. */
  readonly signingSecrets: () => Promise<readonly string[]>;
  /** The gateway's own address, without a slash at the end; asked for with each request. */
  readonly baseUrl: () => string;
  /** Names under which it may be asked, in lower case; addresses always will do. */
  readonly hosts: ReadonlySet<string>;
  readonly mayChange: MayChange;
}

/**
 * A fake upstream and a receiver, so that the whole loop can be seen without an account anywhere.
 * Anybody who reaches its API reads it, changes need an API key; in memory. Not for production.
 */
export class Sandbox {
  /** Its API, to be mounted under `/sandbox`. */
  readonly app = new Hono();
  readonly #clock: Clock;
  readonly #options: SandboxOptions;
  readonly #jobs: JobStore;
  readonly #inbox = new SandboxInbox();

  constructor({ clock, random }: Pick<Runtime, "clock" | "random">, options: SandboxOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#jobs = new JobStore(random);
    const { signingSecrets, hosts, mayChange } = options;
    const [jobs, inbox] = [this.#jobs, this.#inbox];
    const sandboxUrl = (): string => this.#url;
    this.app.use(refuseOtherSites(hosts));
    this.app.get("/", (c) => c.text(guideText(options.baseUrl())));
    this.app.route("/", createJobRoutes({ clock, jobs, sandboxUrl, mayChange }));
    this.app.route("/", createInboxRoutes({ clock, inbox, signingSecrets, mayChange }));
  }

  /**
   * Submits a job for somebody who may.
   * @param text JSON, as for `POST /sandbox/jobs`
   */
  submit(text: string): Submission {
    return this.#jobs.submit(text, this.#clock.now());
  }

  /** The URL of its receiver, or of one of its named inboxes. */
  inboxUrl(name: string, query: string): string {
    return `${this.#url}/inbox/${name}${query}`;
  }

  /** Callbacks that one of its inboxes received, newest first. */
  callbacksOf(inbox: string): readonly Callback[] {
    return this.#inbox.list(inbox);
  }

  get #url(): string {
    return `${this.#options.baseUrl()}/sandbox`;
  }
}
