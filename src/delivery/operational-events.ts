import {
  operationalEventBody,
  type OperationalNews,
  operationalRetryMs,
  TOLD_EVERY_MS,
} from "../core/operational-event.ts";
import { publicId } from "../core/ids.ts";
import { shardOfText } from "../core/shard.ts";
import type { OutboundRequest, RequestOutcome } from "../outbound/request-outcome.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Service } from "../runtime/service.ts";
import type { UuidSource } from "../runtime/uuid-source.ts";
import type { Database } from "../store/database.ts";
import {
  type DueOperationalEvent,
  findDueOperationalEvents,
  noteOperationalEvents,
  type OperationalEventRow,
  settleOperationalEvent,
} from "../store/operational-events.ts";
import { readKeys } from "./read-keys.ts";
import type { SigningKey } from "./sign-callback.ts";
import { signedPost } from "./signed-post.ts";

const ROUND_INTERVAL_MS = 1_000;
/** Subjects of which there is news that is not noted down; what comes on top is not told. */
const SUBJECTS_MAX = 1_000;
const RESPONSE_BYTES_MAX = 1024;

export interface OperationalEventsPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly uuids: UuidSource;
  readonly userAgent: string;
  readonly callbackTimeoutMs: number;
  readonly ownedShards: () => readonly number[];
  /** Where the project wants to be told, or null. */
  readonly urlOf: (projectId: string) => string | null;
  /** The keys that the project signs with now. */
  signingKeys(projectId: string): Promise<readonly SigningKey[]>;
  send(request: OutboundRequest): Promise<RequestOutcome>;
}

interface Gathered {
  news: OperationalNews;
  occurrences: number;
  occurredAtMs: number;
}

/**
 * Tells projects about their own operation. News is gathered by subject in memory, noted down at
 * most once a minute for each, in one row a subject, whichever nodes it comes from; the owner of
 * the row's shard sends what is due. What it is about is in the database in any case: a node that
 * dies takes at most a second of untold news with it.
 */
export class OperationalEvents implements Service {
  readonly name = "operational events";
  readonly #ports: OperationalEventsPorts;
  readonly #repeater: Repeater;
  readonly #gathered = new Map<string, Gathered>();
  /** By subject, until when it is not noted down again. */
  readonly #quietUntilMs = new Map<string, number>();

  constructor(ports: OperationalEventsPorts) {
    this.#ports = ports;
    this.#repeater = new Repeater({
      name: "tell operational events",
      intervalMs: ROUND_INTERVAL_MS,
      task: () => this.round(),
      clock: ports.clock,
      log: ports.log,
    });
  }

  start(): Promise<void> {
    return this.#repeater.start();
  }

  /** Notes down what is left; whoever takes over sends it. */
  async stop(): Promise<void> {
    await this.#repeater.stop();
    await this.#note(Infinity);
  }

  /** Costs next to nothing for a project that does not want to know. */
  tell(news: OperationalNews): void {
    if (this.#ports.urlOf(news.projectId) === null) return;
    const key = keyOf(news);
    const known = this.#gathered.get(key);
    if (known === undefined && this.#gathered.size >= SUBJECTS_MAX) return;
    const isSame = known?.news.type === news.type;
    const occurrences = (isSame ? known.occurrences : 0) + 1;
    this.#gathered.set(key, { news, occurrences, occurredAtMs: this.#ports.clock.now() });
  }

  /** The same for what every node sees: the one that will send it tells. */
  tellOnce(news: OperationalNews | null): void {
    if (news === null || !this.#ports.ownedShards().includes(shardOfText(keyOf(news)))) return;
    this.tell(news);
  }

  /** Notes down what was gathered and sends what is due. */
  async round(): Promise<void> {
    const { database, clock, ownedShards } = this.#ports;
    await this.#note(clock.now());
    const shardIds = ownedShards();
    if (shardIds.length === 0) return;
    const due = await findDueOperationalEvents(database, shardIds, clock.now());
    await Promise.all(due.map((event) => this.#send(event)));
  }

  async #note(nowMs: number): Promise<void> {
    const rows: OperationalEventRow[] = [];
    for (const [key, untilMs] of this.#quietUntilMs) {
      if (untilMs <= nowMs) this.#quietUntilMs.delete(key);
    }
    for (const [key, gathered] of this.#gathered) {
      if (this.#quietUntilMs.has(key)) continue;
      rows.push(this.#rowOf(key, gathered));
    }
    if (rows.length === 0) return;
    const noted = new Map(this.#gathered);
    await noteOperationalEvents(this.#ports.database, rows);
    for (const row of rows) {
      const key = keyOf(row);
      this.#quietUntilMs.set(key, nowMs + TOLD_EVERY_MS);
      // What came while it was written is news of the next minute.
      const [before, now] = [noted.get(key), this.#gathered.get(key)];
      if (now === before) this.#gathered.delete(key);
      else if (now !== undefined) now.occurrences -= before?.occurrences ?? 0;
    }
  }

  #rowOf(key: string, { news, occurrences, occurredAtMs }: Gathered): OperationalEventRow {
    const shardId = shardOfText(key);
    return {
      shardId,
      projectId: news.projectId,
      subject: news.subject,
      id: this.#ports.uuids(occurredAtMs, shardId),
      type: news.type,
      data: JSON.stringify(news.data),
      occurrences,
      occurredAtMs,
    };
  }

  async #send(event: DueOperationalEvent): Promise<void> {
    const { database, clock, log, urlOf } = this.#ports;
    const url = urlOf(event.projectId);
    const status = url === null ? null : await this.#post(event, url);
    const nowMs = clock.now();
    const isTold = status !== null && status >= 200 && status <= 299;
    const waitMs =
      isTold || url === null ? null : operationalRetryMs(event.attemptCount + 1, status);
    if (!isTold && waitMs === null && url !== null) {
      const { type, projectId } = event;
      log.warn({ type, projectId, status }, "an operational event was not taken and is given up");
    }
    await settleOperationalEvent(database, event, {
      isTold,
      nowMs,
      nextAttemptAtMs: waitMs === null ? null : nowMs + waitMs,
    });
  }

  /** The status of the answer, or null without one. */
  async #post(event: DueOperationalEvent, url: string): Promise<number | null> {
    const { clock, log, userAgent, callbackTimeoutMs } = this.#ports;
    const keys = await readKeys(() => this.#ports.signingKeys(event.projectId));
    if ("code" in keys) {
      log.warn({ projectId: event.projectId, ...keys }, "an operational event can't be signed");
      return null;
    }
    const outcome = await this.#ports.send(
      signedPost({
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
    return outcome.kind === "answered" ? outcome.status : null;
  }
}

function keyOf({ projectId, subject }: Pick<OperationalNews, "projectId" | "subject">): string {
  return `${projectId}/${subject}`;
}
