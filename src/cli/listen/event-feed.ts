import type { Page } from "../../client/list.ts";
import type { ReadAnswer, Ringback } from "../../client/ringback.ts";
import { ANSWER_MARGIN_MS } from "../../client/transport.ts";
import { sliceRawJson } from "../../core/json/raw-json.ts";

/** An event of the project, as its list has it. */
export interface FeedEvent {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly jobId: string;
  readonly provider: string;
  /** The whole of it, digit by digit. */
  readonly json: string;
}

interface ListedEvent {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly job_id: string; readonly provider: string };
}

const PAGE_EVENTS_MAX = 100;
/** The most pages that are read at once after the gateway or this program was away. */
const PAGES_MAX = 100;
/** An event may be committed a little later than a newer one, so those of this time are read again. */
const OVERLAP_MS = 10_000;
/** How often, while events come; otherwise one request waits for the next event. */
const OVERLAP_READ_S = 1;
const IDLE_WAIT_S = 30;
/** More than are recorded in that time. */
const SEEN_MAX = 50_000;

/** Reads the newest events of a project, each once. */
export class EventFeed {
  readonly #ringback: Ringback;
  readonly #now: () => number;
  readonly #seen = new Set<string>();
  #since: string | null;
  #hasBegun: boolean;
  /** The highest id that was seen; events are listed by their ids. */
  #newestId: string | null = null;
  /** Late events may still appear until then. */
  #settlesAtMs: number;

  /**
   * @param since a moment to begin at, ISO 8601; null for what comes from now on
   * @param now milliseconds, monotonic
   */
  constructor(ringback: Ringback, since: string | null, now: () => number) {
    this.#ringback = ringback;
    this.#now = now;
    this.#since = since;
    this.#hasBegun = since !== null;
    this.#settlesAtMs = now() + OVERLAP_MS;
  }

  /** Those that were not given before, oldest first. */
  async next(signal: AbortSignal): Promise<FeedEvent[]> {
    const found: FeedEvent[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const query = { limit: PAGE_EVENTS_MAX, created_after: this.#since, cursor };
      const spec = { method: "GET", path: "/v1/events", query, retries: 0 } as const;
      const answer: ReadAnswer<Page<ListedEvent>> = await this.#ringback.read(spec, { signal });
      const { value: page, text } = answer;
      const fresh = page.data.flatMap((event, index) =>
        this.#seen.has(event.id) ? [] : [feedEvent(event, text, index)],
      );
      found.push(...fresh);
      cursor = page.next_cursor;
      // Newest first: behind a page without anything new is nothing new.
      if (!this.#hasBegun || cursor === null || fresh.length === 0) break;
    }
    const inOrder = found.reverse();
    for (const { id } of inOrder) this.#remember(id);
    const newest = inOrder.at(-1);
    if (newest !== undefined) {
      this.#since = new Date(Date.parse(newest.timestamp) - OVERLAP_MS).toISOString();
      this.#settlesAtMs = this.#now() + OVERLAP_MS;
    }
    if (this.#hasBegun) return inOrder;
    this.#hasBegun = true;
    return [];
  }

  /** Resolves when it is time for `next`: there is a new event, or a late one may have appeared. */
  async wait(signal: AbortSignal): Promise<void> {
    const isSettling = this.#now() < this.#settlesAtMs;
    const after = this.#newestId;
    const seconds = isSettling ? OVERLAP_READ_S : IDLE_WAIT_S;
    await this.#ringback.send(
      {
        method: "GET",
        path: "/v1/events/wait",
        query: { after, timeout_s: seconds },
        timeoutMs: seconds * 1000 + ANSWER_MARGIN_MS,
        // A gateway that is away is reported at once.
        retries: 0,
      },
      { signal },
    );
  }

  #remember(id: string): void {
    if (this.#newestId === null || id > this.#newestId) this.#newestId = id;
    this.#seen.add(id);
    const [oldest] = this.#seen;
    if (this.#seen.size > SEEN_MAX && oldest !== undefined) this.#seen.delete(oldest);
  }
}

function feedEvent(
  { id, type, timestamp, data }: ListedEvent,
  text: string,
  index: number,
): FeedEvent {
  const json = sliceRawJson(text, ["data", index]) ?? "{}";
  return { id, type, timestamp, jobId: data.job_id, provider: data.provider, json };
}
