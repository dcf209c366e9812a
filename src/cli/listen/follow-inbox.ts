import {
  type InboxMessage,
  type InboxMessages,
  type Ringback,
  RingbackError,
} from "../../client/ringback.ts";
import { path } from "../../client/transport.ts";

/** An inbox, read as one of its consumers. */
export interface FollowedInbox {
  readonly inbox: string;
  readonly consumer: string;
  /** Everything up to here is done with. */
  readonly cursor: string;
}

/** Callbacks of an inbox's reader. */
interface FollowListener {
  /**
   * Takes a message; the next one comes when it resolves.
   * @param before the cursor in front of the message, to read it again from
   */
  readonly onMessage: (message: InboxMessage, before: string) => Promise<void>;
  /** The gateway is not there, or can't answer; it is asked again and again. */
  readonly onLost: (error: RingbackError) => void;
  /** It is there again. */
  readonly onBack: () => void;
}

export interface FollowPorts {
  readonly ringback: Ringback;
  /** Ends it, between two messages. */
  readonly signal: AbortSignal;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** How long the gateway holds back an answer without a message; proxies cut silent connections later. */
const WAIT_S = 25;
/** A connection on which nothing comes for longer than the gateway waits is dead. */
const ANSWER_TIMEOUT_MS = WAIT_S * 1000 + 10_000;
const PAGE_MESSAGES_MAX = 10;
/** Signatures are made when a page is read, and receivers take them for five minutes. */
const PAGE_AGE_MS_MAX = 60_000;
const ACK_TIMEOUT_MS = 5_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
/** The claim of a reader that died ends within 12 s. */
const BUSY_MS_MAX = 30_000;

/**
 * Reads an inbox until the signal is aborted. Goes on behind the last message that was taken whatever
 * happens to the gateway in between, so that none is lost and none comes twice.
 * @throws {RingbackError} when going on is no use: the key or the inbox is gone, or somebody else reads
 */
export async function followInbox(
  ports: FollowPorts,
  of: FollowedInbox,
  listener: FollowListener,
): Promise<void> {
  const { ringback, signal, sleep, now } = ports;
  let { cursor } = of;
  let lostAt: number | null = null;
  let retryMs = RETRY_MS_MIN;
  while (!signal.aborted) {
    // After a loss at once, to see whether the gateway is there again.
    const waitS = lostAt === null ? WAIT_S : 0;
    const page = await readPage(ringback, { ...of, cursor, waitS }, signal);
    if (page instanceof RingbackError) {
      if (signal.aborted) return;
      lostAt ??= now();
      if (isFinal(page, now() - lostAt)) throw page;
      // A reader that died a moment ago is no loss of the gateway.
      if (page.code !== "consumer_busy" && retryMs === RETRY_MS_MIN) listener.onLost(page);
      if (page.code !== "consumer_busy") retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
      await sleep(retryMs, signal).catch(() => undefined);
      continue;
    }
    if (retryMs > RETRY_MS_MIN) listener.onBack();
    lostAt = null;
    retryMs = RETRY_MS_MIN;
    const readAt = now();
    for (const message of page.data) {
      if (signal.aborted || now() - readAt > PAGE_AGE_MS_MAX) break;
      await listener.onMessage(message, cursor);
      ({ cursor } = message);
      // A later one makes up for one that fails.
      await acknowledge(ringback, of, cursor).catch(() => undefined);
    }
  }
}

/** The messages behind the cursor, for which it waits so long; an error says why they can't be had. */
async function readPage(
  ringback: Ringback,
  { inbox, consumer, cursor, waitS }: FollowedInbox & { readonly waitS: number },
  signal: AbortSignal,
): Promise<InboxMessages | RingbackError> {
  const query = { consumer, cursor, wait_s: waitS, limit: PAGE_MESSAGES_MAX };
  const spec = { method: "GET", path: path`/v1/inboxes/${inbox}/messages`, query } as const;
  try {
    const waiting = { timeoutMs: ANSWER_TIMEOUT_MS, retries: 0 };
    return await ringback.request<InboxMessages>({ ...spec, ...waiting }, { signal });
  } catch (error) {
    if (error instanceof RingbackError) return error;
    if (signal.aborted)
      return new RingbackError("The reading was ended.", { code: "network_error" });
    throw error;
  }
}

/** Also of a message that was taken just before the end. */
function acknowledge(
  ringback: Ringback,
  { inbox, consumer }: FollowedInbox,
  cursor: string,
): Promise<unknown> {
  return ringback.request({
    method: "POST",
    path: path`/v1/inboxes/${inbox}/consumers/${consumer}/ack`,
    body: { cursor },
    isRepeatable: true,
    retries: 0,
    timeoutMs: ACK_TIMEOUT_MS,
  });
}

/** Whether asking again is no use. */
function isFinal({ code, status }: RingbackError, sinceMs: number): boolean {
  if (code === "consumer_busy") return sinceMs > BUSY_MS_MAX;
  if (status === null || status === 429 || status >= 500) return false;
  // A proxy in front of a gateway that is away may answer anything.
  return code !== "unexpected_answer";
}

/** The message behind a cursor with a fresh signature; null when it is not kept any more. */
export async function readAgain(
  ringback: Ringback,
  { inbox, before, id }: { readonly inbox: string; readonly before: string; readonly id: string },
  signal: AbortSignal,
): Promise<InboxMessage | null> {
  const query = { cursor: before, limit: 1, wait_s: 0 };
  const { data } = await ringback.inboxes.messages(inbox, query, { signal });
  return data.find(({ webhook_id: found }) => found === id) ?? null;
}

const ALL_THAT_IS_THERE = "9999-12-31T23:59:59Z";

/**
 * Opens an inbox for a consumer, making it if need be. A consumer that was here before goes on where
 * it was; a new one begins with what comes from now on.
 * @param from a moment to begin at instead, ISO 8601
 */
export async function openInbox(
  ringback: Ringback,
  {
    inbox,
    consumer,
    from,
  }: { readonly inbox: string; readonly consumer: string; readonly from: string | null },
  signal: AbortSignal,
): Promise<FollowedInbox & { readonly isResumed: boolean }> {
  await ringback.inboxes.put(inbox, { signal });
  if (from === null) {
    for await (const { name, cursor } of ringback.inboxes.consumers(inbox, { signal })) {
      if (name === consumer) return { inbox, consumer, cursor, isResumed: true };
    }
  }
  const to = { after: from ?? ALL_THAT_IS_THERE };
  const { cursor } = await ringback.inboxes.seek(inbox, consumer, to, { signal });
  return { inbox, consumer, cursor, isResumed: false };
}
