import { BodyTooLargeError, readBounded } from "./bounded-body.ts";
import type { CallbackEvent, CallbackEventType, EventOf } from "./event.ts";
import { KeySet, KeySetUnavailableError } from "./key-set.ts";
import { type CallbackReply, plain, type Replied, responseTo } from "./reply.ts";
import { type ResultFetching, type ResultPlace, resultReader } from "./result.ts";
import { type SignedRequest, Verifier } from "./verifier.ts";

/**
 * Runs the handler of each callback once: never again after it was done, and never twice at once.
 * A repetition that arrives while it runs gets the same reply.
 */
class HandledOnce {
  readonly #seen: SeenStore;
  readonly #onError: (error: unknown) => void;
  readonly #running = new Map<string, Promise<CallbackReply | undefined>>();

  constructor(seen: SeenStore, onError: (error: unknown) => void) {
    this.#seen = seen;
    this.#onError = onError;
  }

  /** Rejects when the handler does, or when the store can't be asked; then it was not handled. */
  async once(id: string, handle: () => Replied): Promise<CallbackReply | undefined> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    if (await this.#seen.has(id)) return undefined;
    // Another request may have begun while the store was asked.
    const begun = this.#running.get(id) ?? this.#begin(id, handle);
    return begun;
  }

  #begin(id: string, handle: () => Replied): Promise<CallbackReply | undefined> {
    const running = this.#handle(id, handle).finally(() => this.#running.delete(id));
    this.#running.set(id, running);
    return running;
  }

  async #handle(id: string, handle: () => Replied): Promise<CallbackReply | undefined> {
    const reply = (await handle()) ?? undefined;
    if (reply?.answer === "retry") return reply;
    try {
      await this.#seen.add(id);
    } catch (error) {
      // It is done: to ask for it again would do it twice for certain.
      this.#onError(error);
    }
    return reply;
  }
}

/** One function for each type that matters; callbacks of other types are taken and ignored. */
export type Handlers = {
  readonly [Type in CallbackEventType]?: (event: EventOf<Type>) => Replied;
};

export interface ReceiverOptions {
  /** `whsec_…`, the project's or the subscription's own; several while one replaces another. */
  readonly secret?: string | readonly string[] | undefined;
  /** Verifies `v1a` signatures: `https://<gateway>/v1/signing-keys/jwks`. */
  readonly keysUrl?: string | undefined;
  /** One handler for each type of event, or one for all of them. */
  readonly on: Handlers | ((event: CallbackEvent) => Replied);
  /** Where handled callbacks are remembered: in memory unless given. */
  readonly seen?: SeenStore;
  /** Hears of everything that made a callback fail; `console.error` unless given. */
  readonly onError?: (error: unknown, event: CallbackEvent | null) => void;
  /** How far `webhook-timestamp` may be off, in seconds; 300 unless given. */
  readonly toleranceS?: number;
  /** A larger callback is refused with 413, and comes again with a link to its result. 4 MiB unless given. */
  readonly bodyBytesMax?: number;
  /** The largest result to fetch; 100 MiB unless given. */
  readonly resultBytesMax?: number;
  /** Unix time in milliseconds. */
  readonly now?: () => number;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** Takes callbacks: what Workers, Deno, Bun, Hono and Next's route handlers call. */
export type Receiver = (request: Request) => Promise<Response>;

const TOLERANCE_S = 300;
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const RESULT_BYTES_MAX = 100 * 1024 * 1024;
const RESULT_TIMEOUT_MS = 60_000;

/**
 * Makes a receiver of callbacks: it verifies each one, handles each one once, and answers so that the
 * gateway knows what follows. A handler that throws is answered with 500, and the callback comes again.
 * @throws {TypeError} when there is nothing to verify with
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { secret = [], keysUrl, now = Date.now, onError = reportToConsole } = options;
  const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (secrets.length === 0 && keysUrl === undefined) {
    throw new TypeError("Give secret (whsec_…) or keysUrl: without one, nothing can be verified.");
  }
  const verifier = new Verifier({
    secrets,
    keys: keysUrl === undefined ? null : new KeySet({ url: keysUrl, fetch, now }),
    toleranceS: options.toleranceS ?? TOLERANCE_S,
    now,
  });
  const inbox = new HandledOnce(options.seen ?? memorySeen(), (error) => onError(error, null));
  const fetching = {
    fetch,
    resultBytesMax: options.resultBytesMax ?? RESULT_BYTES_MAX,
    resultTimeoutMs: RESULT_TIMEOUT_MS,
  };
  const handle = handlerOf(options.on);

  return async (request) => {
    if (request.method !== "POST") return plain(405, "Callbacks are POSTed.", { allow: "POST" });
    let event: CallbackEvent | null = null;
    try {
      const read = await readSigned(request, options.bodyBytesMax ?? BODY_BYTES_MAX);
      if (typeof read === "string") return plain(400, read);
      const problem = await verifier.problemWith(read);
      if (problem !== null) return plain(400, problem);
      const parsed = eventIn(read, fetching);
      if (parsed === null) return plain(400, "The body is not an event.");
      event = parsed;
      return responseTo(await inbox.once(read.id, () => handle(parsed)));
    } catch (error) {
      if (error instanceof BodyTooLargeError) return plain(413, error.message);
      onError(error, event);
      const areKeysMissing = error instanceof KeySetUnavailableError;
      return areKeysMissing ? plain(503, error.message) : plain(500, "The handler failed.");
    }
  };
}

function reportToConsole(error: unknown): void {
  console.error("A callback could not be handled:", error);
}

function handlerOf(on: ReceiverOptions["on"]): (event: CallbackEvent) => Replied {
  if (typeof on === "function") return on;
  return (event) => {
    // A handler takes the events of the type that it is listed under.
    const handler = Object.hasOwn(on, event.type) ? on[event.type] : undefined;
    return (handler as ((event: CallbackEvent) => Replied) | undefined)?.(event);
  };
}

/** The parts that are signed; a string says what is missing. */
async function readSigned(request: Request, bytesMax: number): Promise<SignedRequest | string> {
  const header = (name: string): string => request.headers.get(name) ?? "";
  const id = header("webhook-id");
  const timestamp = header("webhook-timestamp");
  const signature = header("webhook-signature");
  if (id === "" || timestamp === "" || signature === "") {
    return "webhook-id, webhook-timestamp and webhook-signature are needed.";
  }
  const body = await readBounded(request, bytesMax);
  try {
    // A byte order mark is part of what is signed.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    return { id, timestamp, signature, body, text };
  } catch {
    return "The body is not UTF-8.";
  }
}

/** Null when the body is not an event of any kind; one that is signed always is. */
function eventIn({ id, text }: SignedRequest, fetching: ResultFetching): CallbackEvent | null {
  const sent = parseSent(text);
  if (sent === null) return null;
  const hasResult = sent.type === "job.completed" || sent.type === "ringback.test";
  const reader = hasResult ? resultReader(text, sent.data, fetching) : {};
  return { ...sent, id, rawBody: text, ...reader } as CallbackEvent;
}

interface Sent {
  readonly type: string;
  readonly data: ResultPlace;
}

function parseSent(text: string): Sent | null {
  try {
    const value: unknown = JSON.parse(text);
    return isSent(value) ? value : null;
  } catch {
    return null;
  }
}

function isSent(value: unknown): value is Sent {
  if (typeof value !== "object" || value === null) return false;
  const { type, data } = value as Partial<Record<keyof Sent, unknown>>;
  return typeof type === "string" && typeof data === "object" && data !== null;
}

/**
 * Remembers which callbacks were handled, by their `webhook-id`. Two functions over whatever store a
 * receiver has: KV, Redis, a table with a unique key. An id needs to be kept for some days: a callback
 * is retried for three, and can be redelivered later.
 */
export interface SeenStore {
  /** Whether this callback was handled. */
  readonly has: (id: string) => boolean | Promise<boolean>;
  /** Called once the handler is done, and never when it threw. */
  readonly add: (id: string) => unknown;
}

const IDS_MAX = 10_000;

/**
 * Remembers the latest ids in memory: enough for one process, and only until it ends.
 * @param idsMax above it the oldest ones are forgotten
 */
export function memorySeen(idsMax: number = IDS_MAX): SeenStore {
  const ids = new Set<string>();
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.delete(id);
      ids.add(id);
      const [oldest] = ids;
      if (ids.size > idsMax && oldest !== undefined) ids.delete(oldest);
    },
  };
}
