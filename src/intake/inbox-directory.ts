import type { ProjectLimits } from "../core/limits/project-limits.ts";
import { SharedCache } from "../lanes/shares/shared-cache.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { createInbox, isInboxThere } from "../store/inboxes/manage-inboxes.ts";
import type { InboxName } from "../store/inboxes/place-messages.ts";
import { countStored } from "../store/sql/stored-counts.ts";

/** Inboxes that are remembered, of all projects; beyond that, the project with the most loses its oldest. */
const KNOWN_MAX = 10_000;

/**
 * Makes inboxes when they are first named, so that accepting a subscription takes no statement for
 * its inbox but once on each node. One that was deleted since is made again by its next message.
 */
export class InboxDirectory {
  readonly #runtime: Pick<Runtime, "clock" | "uuids">;
  readonly #limits: ProjectLimits;
  readonly #known = new SharedCache<true>(KNOWN_MAX);
  readonly #making = new Map<string, Promise<boolean>>();

  constructor(runtime: Pick<Runtime, "clock" | "uuids">, limits: ProjectLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
  }

  /** False when the project has as many inboxes as it may. */
  async ensure(database: Database, inbox: InboxName): Promise<boolean> {
    const key = `${inbox.projectId}/${inbox.name}`;
    if (this.#known.has(key)) return true;
    const making =
      this.#making.get(key) ?? this.#make(database, inbox).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    const isThere = await making;
    if (isThere) this.#known.set(inbox.projectId, key, true);
    return isThere;
  }

  /** It was deleted just now. */
  forget({ projectId, name }: InboxName): void {
    this.#known.delete(`${projectId}/${name}`);
  }

  async #make(database: Database, inbox: InboxName): Promise<boolean> {
    if (await isInboxThere(database, inbox)) return true;
    const { clock, uuids } = this.#runtime;
    const nowMs = clock.now();
    const { projectId } = inbox;
    const { inboxes } = await countStored(database, projectId, nowMs);
    if (inboxes >= this.#limits.allowed(projectId, "inboxes")) {
      this.#limits.refused("inboxes");
      return false;
    }
    await createInbox(database, { ...inbox, id: uuids(nowMs, 0), nowMs });
    return true;
  }
}
