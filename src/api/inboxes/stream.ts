import { z } from "@hono/zod-openapi";
import { SSEStreamingApi } from "hono/streaming";
import type { Release } from "../../delivery/waits/consumer-claims.ts";
import { withDeadline } from "../../runtime/request-deadline.ts";
import type { Database } from "../../store/db/database.ts";
import type { ApiServices } from "../services.ts";
import type { Client } from "../http/auth.ts";
import type { Outcome } from "../../core/problem.ts";
import { defineRoute, type Route } from "../http/route.ts";
import type { WaitingRequests } from "../request/waiting-requests.ts";
import type { FoundInbox, InboxReader, ReadPage } from "./reader.ts";
import { consumerParameter, cursorParameter } from "./schema.ts";
import { claimConsumer } from "./reader.ts";

const SCOPE = "subscriptions:read";
/** While there is no message, a comment is sent this often, so that no proxy closes the stream. */
const COMMENT_INTERVAL_MS = 15_000;
/** After this the client reconnects, perhaps to another node, with the id of its last event. */
const STREAM_MS_MAX = 15 * 60_000;
/** A client that takes nothing for this long is gone. */
const STALLED_MS_MAX = 60_000;
const MESSAGES_PER_PAGE_MAX = 50;
const READ_DEADLINE_MS = 5_000;
/** How soon clients are told to reconnect. */
const RECONNECT_MS = 1_000;

export function streamRoute(
  services: ApiServices,
  reader: InboxReader,
  waiting: WaitingRequests,
): Route {
  return defineRoute({
    operationId: "streamInboxMessages",
    method: "GET",
    path: "/v1/inboxes/{name}/stream",
    tag: "Inboxes",
    summary: "Stream messages as server-sent events",
    description:
      "Each event is a message, and its id is the message's cursor. With Last-Event-ID the " +
      "stream continues after that message: nothing is lost or repeated. Without messages a " +
      "comment is sent every 15 s. The stream ends after 15 minutes, and when this node stops; " +
      "clients reconnect automatically. Only acknowledging moves a consumer.",
    scope: SCOPE,
    headers: z.object({
      "last-event-id": z
        .string()
        .optional()
        .openapi({ description: "The id of the last event that the client received." }),
    }),
    query: z.strictObject({ consumer: consumerParameter, cursor: cursorParameter }),
    success: {
      status: 200,
      description: "The stream.",
      contentType: "text/event-stream",
      schema: z.string(),
    },
    problems: ["not_found", "invalid_cursor", "consumer_busy", "project_limit_reached"],
    async handle({ caller: { projectId }, client, name, query, headers, disconnection, database }) {
      const signal = disconnection();
      const consumer = query.consumer ?? null;
      const lastEventId = headers.get("last-event-id") ?? "";
      const cursor =
        lastEventId === ""
          ? ({ text: query.cursor, where: "parameter" } as const)
          : ({ text: lastEventId, where: "header" } as const);
      const start = await reader.begin(database, { projectId, name, consumer }, cursor);
      if (!start.ok) return start;
      const { inbox, position, isKnownConsumer } = start.value;
      const refusal = await waiting.enter(projectId, signal);
      if (refusal !== null) return refusal;
      const claim = await claimOrLeave(
        () => claimConsumer(services, { inbox, consumer, isKnownConsumer, database }),
        () => waiting.leave(projectId),
      );
      if (!claim.ok) return claim;
      const stream = new MessageStream(
        services,
        reader,
        { inbox, position, client, signal },
        () => {
          waiting.leave(projectId);
          void claim.value();
        },
      );
      return {
        status: 200,
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache, no-store" },
        body: () => stream.open(),
      };
    },
  });
}

async function claimOrLeave(
  claim: () => Promise<Outcome<Release>>,
  leave: () => void,
): Promise<Outcome<Release>> {
  let isClaimed = false;
  try {
    const claimed = await claim();
    isClaimed = claimed.ok;
    return claimed;
  } finally {
    if (!isClaimed) leave();
  }
}

interface StreamedReading {
  readonly inbox: FoundInbox;
  readonly position: number;
  readonly client: Client;
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal;
}

/** Messages of an inbox, each sent when the previous one has been taken. */
class MessageStream {
  readonly #services: ApiServices;
  readonly #reader: InboxReader;
  readonly #reading: StreamedReading;
  readonly #gone = new AbortController();
  readonly #onOver: () => void;
  readonly #endsAtMs: number;
  #isOver = false;

  /** @param onOver called once, when it has ended or was never opened */
  constructor(
    services: ApiServices,
    reader: InboxReader,
    reading: StreamedReading,
    onOver: () => void,
  ) {
    this.#services = services;
    this.#reader = reader;
    this.#reading = reading;
    this.#onOver = onOver;
    this.#endsAtMs = services.clock.monotonic() + STREAM_MS_MAX;
    if (reading.signal.aborted) this.#over();
    else reading.signal.addEventListener("abort", () => this.#over(), { once: true });
  }

  open(): ReadableStream<Uint8Array> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const sse = new SSEStreamingApi(writable, readable);
    sse.onAbort(() => this.#over());
    this.#gone.signal.addEventListener("abort", () => sse.abort(), { once: true });
    void this.#run(sse);
    const reader = sse.responseReadable.getReader();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const chunk = await reader.read();
          if (chunk.done) controller.close();
          else controller.enqueue(chunk.value as Uint8Array);
        },
        cancel: () => reader.cancel(),
      },
      // Nothing is read ahead.
      { highWaterMark: 0 },
    );
  }

  async #run(sse: SSEStreamingApi): Promise<void> {
    try {
      await this.#taken(sse.write(`retry: ${RECONNECT_MS}\n\n`));
      await this.#sendAll(sse);
    } catch (error) {
      // The client reconnects and continues after its last event.
      this.#services.log.debug({ err: error }, "a stream of messages ended");
    } finally {
      await this.#taken(sse.close());
      this.#over();
    }
  }

  async #sendAll(sse: SSEStreamingApi): Promise<void> {
    const { inbox, client } = this.#reading;
    let { position } = this.#reading;
    while (!this.#isOver) {
      if ((await client.recheck(SCOPE)) !== null) return;
      const page = await this.#read(position);
      if (!page.ok) return;
      for (const { cursor, json } of page.value.messages) {
        await this.#taken(sse.writeSSE({ id: cursor, data: json }));
        if (this.#isOver) return;
      }
      ({ position } = page.value);
      const leftMs = this.#endsAtMs - this.#services.clock.monotonic();
      if (leftMs <= 0) return;
      if (page.value.messages.length > 0) continue;
      const timeoutMs = Math.min(COMMENT_INTERVAL_MS, leftMs);
      const wait = { timeoutMs, signal: this.#gone.signal };
      const outcome = await this.#services.inboxFeed.waitFor(inbox, position, wait);
      if (outcome === "stopping" || outcome === "left") return;
      if (outcome === "timed_out") await this.#taken(sse.write(": no message yet\n\n"));
    }
  }

  #read(position: number): Promise<Outcome<ReadPage>> {
    const { clock } = this.#services;
    const { inbox } = this.#reading;
    const page = (database: Database): Promise<Outcome<ReadPage>> =>
      this.#reader.page(database, inbox, { position, limit: MESSAGES_PER_PAGE_MAX });
    return withDeadline(clock, READ_DEADLINE_MS, (deadline) =>
      page(this.#services.database.within(deadline, inbox.projectId)),
    );
  }

  /** Waits until written data is taken; ends the stream when that takes too long. */
  async #taken(written: Promise<unknown>): Promise<void> {
    const timer = this.#services.clock.setTimer(STALLED_MS_MAX, () => this.#over());
    const gone = Promise.withResolvers<void>();
    const { signal } = this.#gone;
    const leave = (): void => gone.resolve();
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    await Promise.race([written, gone.promise]);
    signal.removeEventListener("abort", leave);
    timer.cancel();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#gone.abort();
    this.#onOver();
  }
}
