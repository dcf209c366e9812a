import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { ProjectLimitName, ProjectLimits } from "../core/limits/project-limits.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Database } from "../store/db/database.ts";
import {
  countProjectUsage,
  type ProjectUsageRow,
  readProjectUsage,
} from "../store/projects/project-usage.ts";
import type { Runtime } from "../runtime/runtime.ts";

const READ_INTERVAL_MS = 2_000;
const COUNT_INTERVAL_MS_MIN = 4_000;
/** Counting takes no more than a hundredth of the time. */
const PAUSE_PER_COUNTING = 100;
/**
 * How many counts follow the last one that found a change. A node forgets what it has accepted after
 * two counts, and may miss one of them.
 */
const COUNTS_WITHOUT_CHANGE = 3;
/** Its owner counts for all nodes. */
const COUNTING_SHARD = 0;

/** The limits that a subscription is held to, besides that on live jobs. */
const COUNTED = {
  live_subscriptions: ({ liveSubscriptions }: ProjectUsageRow) => liveSubscriptions,
  owed_deliveries: ({ owedDeliveries }: ProjectUsageRow) => owedDeliveries,
  stored_bytes: ({ storedBytes }: ProjectUsageRow) => storedBytes,
  inbox_unread_bytes: ({ inboxUnreadBytes }: ProjectUsageRow) => inboxUnreadBytes,
} as const satisfies Partial<Record<ProjectLimitName, (row: ProjectUsageRow) => number>>;

type CountedName = keyof typeof COUNTED;
const COUNTED_NAMES = Object.keys(COUNTED) as CountedName[];

interface Accepted {
  readonly subscriptions: number;
  readonly bytes: number;
}

const NOTHING: Accepted = { subscriptions: 0, bytes: 0 };

/** The part of what was accepted since the last count that counts as well. */
const ACCEPTED: Readonly<Record<CountedName, keyof Accepted | null>> = {
  live_subscriptions: "subscriptions",
  stored_bytes: "bytes",
  owed_deliveries: null,
  inbox_unread_bytes: null,
};

interface ProjectUsageOptions {
  /** Tells when rows that count may have been written. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Database;
  readonly limits: ProjectLimits;
  /** Larger results go by reference, and count for nothing in an inbox. */
  readonly inlineResultBytesMax: number;
  readonly shards: Pick<OwnedShards, "has">;
}

/**
 * How much each project keeps, without counting rows at every accept: one node counts for all every
 * few seconds, less often where that takes long, not at all where nothing changes, and every node
 * adds the subscriptions that it has accepted since, and their bytes. So on one node no more are
 * accepted than may be; what other nodes accept, what ends, and what is delivered or removed shows
 * with the next count.
 */
export class ProjectUsage extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: ProjectUsageOptions;
  #counted: ReadonlyMap<string, ProjectUsageRow> = new Map();
  #countedAtMs = 0;
  /** By project: what was accepted since the last count, and since the one before. */
  #accepted = new Map<string, Accepted>();
  #acceptedBefore: ReadonlyMap<string, Accepted> = new Map();
  #nextCountAtMs = -Infinity;
  #countsWithoutChange = 0;

  constructor(runtime: Runtime, options: ProjectUsageOptions) {
    super(runtime, {
      ...options,
      name: "count what projects use",
      intervalMs: READ_INTERVAL_MS,
      task: () => this.refresh(),
    });
    this.#runtime = runtime;
    this.#options = options;
    for (const name of COUNTED_NAMES) {
      options.limits.measuredBy(name, (projectId) => this.#used(projectId, name));
    }
  }

  override async start(): Promise<void> {
    await this.#learn();
    await super.start();
  }

  /**
   * The limit that the project has come to, or null while it may have more subscriptions.
   * @param isForInbox whether the subscription names an inbox
   */
  reached(projectId: string, isForInbox: boolean): CountedName | null {
    const { limits } = this.#options;
    for (const name of COUNTED_NAMES) {
      if (name === "inbox_unread_bytes" && !isForInbox) continue;
      if (this.#used(projectId, name) >= limits.allowed(projectId, name)) return name;
    }
    return null;
  }

  /** A subscription of the project was accepted, which keeps so many bytes. */
  accepted(projectId: string, bytes: number): void {
    const { subscriptions, bytes: before } = this.#accepted.get(projectId) ?? NOTHING;
    this.#accepted.set(projectId, { subscriptions: subscriptions + 1, bytes: before + bytes });
    this.hurry();
  }

  /** Counts if it is this node's turn, and reads what was counted last. */
  async refresh(): Promise<void> {
    const { clock } = this.#runtime;
    const { database } = this.#options;
    const startedAtMs = clock.monotonic();
    const handled = this.#options.changes?.beginReading();
    const countedAtMs = this.#countedAtMs;
    if (this.#isCountDue(startedAtMs)) {
      await countProjectUsage(database, this.#options.inlineResultBytesMax);
      const tookMs = clock.monotonic() - startedAtMs;
      this.#nextCountAtMs =
        clock.monotonic() + Math.max(COUNT_INTERVAL_MS_MIN, tookMs * PAUSE_PER_COUNTING);
    }
    await this.#learn();
    if (this.#countedAtMs !== countedAtMs) handled?.();
  }

  #isCountDue(nowMs: number): boolean {
    const { shards, changes } = this.#options;
    if (!shards.has(COUNTING_SHARD) || nowMs < this.#nextCountAtMs) return false;
    if (changes?.isUnchanged !== true) this.#countsWithoutChange = 0;
    else if (this.#countsWithoutChange === COUNTS_WITHOUT_CHANGE) return false;
    else this.#countsWithoutChange += 1;
    return true;
  }

  async #learn(): Promise<void> {
    const rows = await readProjectUsage(this.#options.database);
    const countedAtMs = Math.max(0, ...rows.map((row) => row.countedAtMs));
    this.#counted = new Map(rows.map((row) => [row.projectId, row]));
    if (countedAtMs === this.#countedAtMs) return;
    this.#countedAtMs = countedAtMs;
    // Subscriptions accepted during the count may be included or not.
    this.#acceptedBefore = this.#accepted;
    this.#accepted = new Map();
  }

  #used(projectId: string, name: CountedName): number {
    const row = this.#counted.get(projectId);
    const counted = row === undefined ? 0 : COUNTED[name](row);
    const ofAccepted = ACCEPTED[name];
    if (ofAccepted === null) return counted;
    const accepted = this.#accepted.get(projectId) ?? NOTHING;
    const before = this.#acceptedBefore.get(projectId) ?? NOTHING;
    return counted + accepted[ofAccepted] + before[ofAccepted];
  }
}
