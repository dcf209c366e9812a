import type { ChangeSignal } from "../../runtime/change-signal.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import {
  type OperationalEvent,
  isAlwaysKept,
  type OperationalEventEnd,
  operationalEventBody,
  operationalRetryMs,
} from "../../core/delivery/operational-event.ts";
import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { isSuccess } from "../../core/delivery/delivery-outcome.ts";
import { publicId, shardOfText } from "../../core/ids/ids.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Database } from "../../store/db/database.ts";
import {
  countOperationalEvents,
  type DueOperationalEvent,
  findDueOperationalEvents,
  noteOperationalEvents,
  type NotedEvent,
  settleOperationalEvent,
} from "../../store/events/operational-events.ts";
import { type Gathered, GatheredEvents, keyOf } from "./gathered-events.ts";
import type { SigningKeys } from "../attempt/signing-keys.ts";
import type { ProjectDeliverySettings } from "../delivery-settings.ts";
import { signedPost } from "../attempt/post.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { readKeys } from "../attempt/signing-keys.ts";

const ROUND_INTERVAL_MS = 1_000;
const RESPONSE_BYTES_MAX = 1024;
/** While there is news, stored events are counted this often. */
const COUNT_INTERVAL_MS = 60_000;

interface OperationalEventsOptions {
  /** Tells when operational events may be due. */
  readonly eventChanges?: ChangeSignal | undefined;
  readonly database: Database;
  readonly userAgent: string;
  readonly callbackTimeoutMs: number;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly settings: Pick<ProjectDeliverySettings, "of" | "operationsUrlOf">;
  readonly signingKeys: Pick<SigningKeys, "of">;
  readonly callbackClient: Pick<RequestClient, "send">;
}

/**
 * Tells projects about their own operation. News is gathered by subject in memory, noted down at
 * most once a minute for each, in one row a subject, whichever nodes it comes from; the owner of
 * the row's shard sends what is due, a few of each project at a time, so that a receiver which
 * does not answer delays its own project only. The facts behind an event are in the database in any
 * case: a node that dies takes at most a second of unpublished events with it.
 */
export class OperationalEvents extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: OperationalEventsOptions;
  readonly #gathered = new GatheredEvents();
  #limits: Pick<ProjectLimits, "allowed" | "refused"> | null = null;
  /** Projects that have as many stored events as they may. */
  #full: ReadonlySet<string> = new Set();
  #countAtMs = -Infinity;
  /** By project, what is being sent. */
  readonly #sending = new Map<string, Promise<void>>();

  constructor(runtime: Runtime, options: OperationalEventsOptions) {
    super(runtime, {
      name: "send operational events",
      intervalMs: ROUND_INTERVAL_MS,
      changes: options.eventChanges,
      task: () => this.round(),
    });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Stores the events that are left, for the next node to send. */
  override async stop(): Promise<void> {
    await super.stop();
    await this.#note(Infinity);
    await this.settled();
  }

  /** Holds each project to its limit of stored events. */
  keepTo(limits: Pick<ProjectLimits, "allowed" | "refused">): void {
    this.#limits = limits;
  }

  /** Costs next to nothing for a project that does not want to know. */
  publish(event: OperationalEvent): void {
    if (!this.#isWantedBy(event.projectId) && !isAlwaysKept(event.type)) return;
    if (this.#full.has(event.projectId)) {
      this.#limits?.refused("operational_events");
      return;
    }
    this.hurry();
    this.#gathered.add(event, this.#runtime.clock.now());
  }

  /** The same for what every node sees: the one that will send it tells. */
  publishOnce(event: OperationalEvent | null): void {
    if (event === null || !this.#options.shards.has(shardOfText(keyOf(event)))) return;
    this.publish(event);
  }

  /** Notes down what was gathered and begins to send what is due. */
  async round(): Promise<void> {
    const { clock } = this.#runtime;
    const { database, shards } = this.#options;
    const nowMs = clock.monotonic();
    const hasNews = await this.#note(nowMs);
    if ((hasNews || this.#full.size > 0) && nowMs >= this.#countAtMs) await this.#count(nowMs);
    // Their subjects had an event within the last minute.
    if (!this.#gathered.isEmpty) this.hurry();
    const shardIds = shards.list;
    if (shardIds.length === 0) return;
    const due = await findDueOperationalEvents(database, {
      shardIds,
      dueByMs: clock.now(),
      except: [...this.#sending.keys()],
    });
    for (const [projectId, events] of Map.groupBy(due, (event) => event.projectId)) {
      const sent = Promise.all(events.map((event) => this.#send(event)));
      const done = sent.then(() => void this.#sending.delete(projectId));
      this.#sending.set(projectId, done);
    }
  }

  #isWantedBy(projectId: string): boolean {
    return this.#options.settings.operationsUrlOf(projectId) !== null;
  }

  /** Resolves once nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.all(this.#sending.values());
  }

  /** Looks which projects have come to their limit; a few more rows than that may be stored in between. */
  async #count(nowMs: number): Promise<void> {
    const limits = this.#limits;
    if (limits === null) return;
    this.#countAtMs = nowMs + COUNT_INTERVAL_MS;
    const counted = await countOperationalEvents(this.#options.database);
    this.#full = new Set(
      counted
        .filter(({ projectId, rows }) => rows >= limits.allowed(projectId, "operational_events"))
        .map(({ projectId }) => projectId),
    );
  }

  /** Returns whether there was news. */
  async #note(nowMs: number): Promise<boolean> {
    const taken = this.#gathered.take(nowMs);
    if (taken.length === 0) return false;
    try {
      const rows = taken.map((gathered) => this.#rowOf(gathered));
      await noteOperationalEvents(this.#options.database, rows);
      return true;
    } catch (error) {
      this.#gathered.putBack(taken);
      throw error;
    }
  }

  #rowOf({ event, occurrences, occurredAtMs }: Gathered): NotedEvent {
    const shardId = shardOfText(keyOf(event));
    return {
      shardId,
      projectId: event.projectId,
      subject: event.subject,
      id: this.#runtime.uuids(occurredAtMs, shardId),
      type: event.type,
      data: JSON.stringify(event.data),
      occurrences,
      occurredAtMs,
      isWanted: this.#isWantedBy(event.projectId),
    };
  }

  /** Never rejects: what could not be recorded is still due. */
  async #send(event: DueOperationalEvent): Promise<void> {
    try {
      const url = this.#options.settings.operationsUrlOf(event.projectId);
      if (url === null) await this.#settle(event, { kind: "unwanted" }, null);
      else await this.#settle(event, await this.#post(event, url), url);
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "an operational event could not be dealt with");
    }
  }

  async #settle(event: DueOperationalEvent, outcome: Outcome, url: string | null): Promise<void> {
    if (outcome.kind === "cut_off") return;
    const { clock, log } = this.#runtime;
    const { database } = this.#options;
    const { type, projectId, attemptCount } = event;
    const nowMs = clock.now();
    const waitMs =
      outcome.kind === "refused" ? operationalRetryMs(attemptCount + 1, outcome.status) : null;
    if (outcome.kind === "refused" && waitMs === null) {
      const { status } = outcome;
      log.warn(
        { type, project_id: publicId("project", projectId), status },
        "an operational event was not taken and is given up",
      );
    }
    await settleOperationalEvent(database, event, {
      isDelivered: outcome.kind === "delivered",
      isTried: outcome.kind !== "unwanted",
      nowMs,
      nextAttemptAtMs: waitMs === null ? null : nowMs + waitMs,
      settledAs: waitMs === null ? endOf(outcome) : null,
      sentTo: url,
      httpStatus: outcome.kind === "unwanted" ? null : outcome.status,
      lastError: outcome.kind === "refused" ? outcome.why : null,
    });
  }

  async #post(event: DueOperationalEvent, url: string): Promise<Outcome> {
    const { clock, log } = this.#runtime;
    const { callbackClient, callbackTimeoutMs, settings, signingKeys, userAgent } = this.#options;
    const { projectId } = event;
    const keys = await readKeys(() => signingKeys.of(projectId, settings.of(projectId).signatures));
    if ("code" in keys) {
      log.warn(
        { project_id: publicId("project", event.projectId), ...keys },
        "an operational event can't be signed",
      );
      return { kind: "refused", status: null, why: keys.message };
    }
    const outcome = await callbackClient.send(
      signedPost({
        projectId: event.projectId,
        url,
        headers: {},
        body: operationalEventBody(event),
        webhookId: publicId("operationalEvent", event.id),
        keys,
        nowMs: clock.now(),
        userAgent,
        timeoutMs: callbackTimeoutMs,
        responseBytesMax: RESPONSE_BYTES_MAX,
      }),
    );
    if (outcome.kind === "answered") {
      const { status } = outcome;
      if (isSuccess(status)) return { kind: "delivered", status };
      return { kind: "refused", status, why: `The receiver answered ${status}.` };
    }
    const { code, message } = outcome.failure;
    if (code === "aborted") return { kind: "cut_off" };
    return { kind: "refused", status: null, why: message };
  }
}

/** How the event ends that is not sent again. */
function endOf({ kind }: Exclude<Outcome, { kind: "cut_off" }>): OperationalEventEnd {
  switch (kind) {
    case "delivered":
      return "delivered";
    case "refused":
      return "exhausted";
    case "unwanted":
      return "unwanted";
  }
}

/** The outcome of an attempt to send an operational event. */
type Outcome =
  | { readonly kind: "delivered"; readonly status: number }
  /** The status is null when there was no answer. */
  | { readonly kind: "refused"; readonly status: number | null; readonly why: string }
  /** The project does not want to know any more. */
  | { readonly kind: "unwanted" }
  /** This process stops; the next node sends it. */
  | { readonly kind: "cut_off" };
