import type { InboxMessages } from "../api/models.ts";
import { retryWaitMs } from "./retry.ts";
import { RingbackError } from "./ringback-error.ts";
import { EventParser } from "./server-sent-events.ts";
import { type CallOptions, path, type Transport } from "./transport.ts";

/** A message of an inbox. */
export type InboxMessage = InboxMessages["data"][number];

/** From where to read a stream of messages. */
export interface StreamOptions extends Pick<CallOptions, "signal"> {
  /** Begins where this consumer has acknowledged, and keeps other readers of it away. */
  readonly consumer?: string | undefined;
  /** Begins behind this one, as a message gave it. */
  readonly cursor?: string | undefined;
}

/** The gateway sends a comment every 15 s, so a stream that is silent for longer than this is dead. */
const SILENCE_MS_MAX = 45_000;
/** Results that are longer come as links. */
const EVENT_CHARACTERS_MAX = 64 * 1024 * 1024;
/** The gateway ends each stream after a while, and then a new one is begun. */
const RECONNECT_MS = 1_000;

/**
 * The messages of an inbox as they come, without an end. A stream that breaks is begun again behind the last
 * message: none is lost, and none comes twice. Ends when the caller leaves the loop.
 * @throws {RingbackError} for what does not pass by itself; the reason of the caller's signal when that is
 *   aborted
 */
export async function* streamMessages(
  name: string,
  transport: Transport,
  { consumer, cursor, signal = NEVER }: StreamOptions,
): AsyncGenerator<InboxMessage, void, undefined> {
  let lastId: string | null = null;
  let hasConnected = false;
  for (let failures = 0; ;) {
    const attempt = new Attempt(transport, signal);
    try {
      const query = { consumer, cursor: lastId === null ? cursor : undefined };
      await attempt.begin(path`/v1/inboxes/${name}/stream`, query, lastId);
      hasConnected = true;
      for (
        let messages = await attempt.next();
        messages !== null;
        messages = await attempt.next()
      ) {
        failures = 0;
        for (const { id, message } of messages) {
          lastId = id;
          yield message;
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RingbackError)) throw error;
      // The gateway may not have noticed yet that the stream before is gone.
      const isOwnClaim = hasConnected && error.code === "consumer_busy";
      failures += 1;
      const waitMs = isOwnClaim
        ? RECONNECT_MS
        : retryWaitMs(error, failures, true, transport.random());
      if (waitMs === null) throw error;
      await transport.sleep(waitMs, signal);
      continue;
    } finally {
      attempt.end();
    }
    await transport.sleep(RECONNECT_MS, signal);
  }
}

interface Received {
  readonly id: string;
  readonly message: InboxMessage;
}

/** One connection. */
class Attempt {
  readonly #transport: Transport;
  readonly #signal: AbortSignal;
  readonly #gone = new AbortController();
  readonly #onAbort: () => void;
  readonly #events = new EventParser(EVENT_CHARACTERS_MAX);
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;

  constructor(transport: Transport, signal: AbortSignal) {
    this.#transport = transport;
    this.#signal = signal;
    this.#onAbort = () => this.#gone.abort(signal.reason);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  async begin(
    at: string,
    query: { readonly consumer?: string | undefined; readonly cursor?: string | undefined },
    lastId: string | null,
  ): Promise<void> {
    const headers = {
      accept: STREAM_TYPE,
      ...(lastId !== null && { "last-event-id": lastId }),
    };
    const spec = { method: "GET", path: at, query } as const;
    const answer = await this.#unlessSilent(this.#transport.open(spec, headers, this.#gone.signal));
    this.#reader = answer.body?.getReader() ?? null;
    if (answer.headers.get("content-type")?.startsWith(STREAM_TYPE) !== true) throw noStream();
  }

  /** The events in the next chunk; null at the end. */
  async next(): Promise<readonly Received[] | null> {
    const reader = this.#reader;
    if (reader === null) return null;
    const { done, value } = await this.#unlessSilent(reader.read());
    if (done) return null;
    try {
      return this.#events.push(value).map(({ id, data }) => {
        return { id, message: JSON.parse(data) as InboxMessage };
      });
    } catch (cause) {
      throw noStream(cause);
    }
  }

  /** Leaves the stream. */
  end(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#gone.abort();
    // It may have failed, which was reported already.
    this.#reader?.cancel().catch(() => undefined);
  }

  /** Gives up what is not there in time; what breaks is a network error. */
  async #unlessSilent<T>(work: Promise<T>): Promise<T> {
    const settled = new AbortController();
    void this.#transport.sleep(SILENCE_MS_MAX, settled.signal).then(
      () => this.#gone.abort(),
      () => undefined,
    );
    try {
      return await work;
    } catch (cause) {
      if (cause instanceof RingbackError) throw cause;
      throw new RingbackError("The stream of messages broke.", { code: "network_error", cause });
    } finally {
      settled.abort();
    }
  }
}

const STREAM_TYPE = "text/event-stream";

function noStream(cause?: unknown): RingbackError {
  const message =
    "The answer is not a stream of a gateway's messages. Check the gateway's address.";
  return new RingbackError(message, { code: "unexpected_answer", cause });
}

const NEVER = new AbortController().signal;
