import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { Database } from "../../store/db/database.ts";
import { findPosition, type ReadingPosition } from "../../store/inboxes/consumers.ts";
import { isInboxThere } from "../../store/inboxes/manage-inboxes.ts";
import type { InboxName } from "../../store/inboxes/place-messages.ts";
import { type MessagePage, readMessages } from "../../store/inboxes/read-messages.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts, refused } from "../http/problem.ts";
import type { InvalidPart, Outcome, Refusal } from "../../core/problem.ts";
import { NAME_RULE } from "./schema.ts";
import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import type { Release } from "../../delivery/waits/consumer-claims.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import type { Reply } from "../http/route.ts";

/** Approximate bytes of a page, beyond its first message. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** Pages that are read and signed at the same time; a third of the connections to the database. */
const PAGES_AT_ONCE_MAX = 4;
const PAGES_AWAITED_PER_PROJECT_MAX = 2_000;
/** How long a page waits for its turn. */
const TURN_MS_MAX = 3_000;

/** A page of messages, as JSON texts. */
export interface ReadPage {
  readonly messages: readonly { readonly cursor: string; readonly json: string }[];
  /** Position after the last of them. */
  readonly position: number;
  readonly hasMore: boolean;
  /** True when some stored messages have no position yet. */
  readonly hasUnplaced: boolean;
}

/** Pages that are read at once. */
export function inboxPageTurns(limits: Pick<ProjectLimits, "allowed">): FairSemaphore {
  return new FairSemaphore({
    resource: "inbox_pages",
    permitsMax: PAGES_AT_ONCE_MAX,
    permitsPerProjectMax: (projectId) => limits.allowed(projectId, "inbox_pages_running"),
    waitingPerProjectMax: PAGES_AWAITED_PER_PROJECT_MAX,
  });
}

/** Reads pages of inboxes for the requests and streams of this node. */
export class InboxReader {
  readonly #services: ApiServices;
  readonly #turns: FairSemaphore;

  constructor(services: ApiServices) {
    const { limits } = services;
    this.#services = services;
    this.#turns = inboxPageTurns(limits);
    limits.measuredBy("inbox_pages_running", (projectId) => this.#turns.heldBy(projectId));
  }

  /** Where a request begins to read: at the cursor if one is given, otherwise the consumer's position. */
  async begin(
    database: Database,
    of: InboxName & { readonly consumer: string | null },
    cursor: { readonly text: string | undefined; readonly where: "parameter" | "header" },
  ): Promise<
    Outcome<{
      readonly inbox: FoundInbox;
      readonly position: number;
      readonly isKnownConsumer: boolean;
    }>
  > {
    const { clock, consumerClaims } = this.#services;
    const { projectId, name, consumer } = of;
    const at = { nowMs: clock.now(), nodeId: consumerClaims.nodeId };
    const found = INBOX_NAME.test(name) ? await findPosition(database, of, at) : null;
    if (found === null) return noSuchInbox(name);
    const inbox = { projectId, name, inboxId: found.inboxId };
    const isHeldHere = consumer !== null && consumerClaims.isHeld({ projectId, name, consumer });
    if (found.isBusy || isHeldHere) return consumerBusy(consumer ?? "");
    const position = this.#positionOf(inbox, found, cursor);
    if (!position.ok) return position;
    return { ok: true, value: { inbox, position: position.value, isKnownConsumer: found.isKnown } };
  }

  /** The next messages; a refusal when there is no turn or the inbox no longer exists. */
  async page(
    database: Database,
    inbox: FoundInbox,
    from: { readonly position: number; readonly limit: number },
  ): Promise<Outcome<ReadPage>> {
    const page = await this.#page(database, inbox, from);
    if (!page.ok || page.value.hasMore || !page.value.hasUnplaced) return page;
    // They were stored a moment ago.
    const placed = await this.#services.inboxFeed.place(database, inbox);
    return placed === 0 ? page : this.#page(database, inbox, from);
  }

  #positionOf(
    inbox: FoundInbox,
    { position }: ReadingPosition,
    { text, where }: { readonly text: string | undefined; readonly where: "parameter" | "header" },
  ): Outcome<number> {
    if (text === undefined) return { ok: true, value: position };
    const place = where === "header" ? { header: "last-event-id" } : { parameter: "cursor" };
    return positionOf(inbox, text, place);
  }

  async #page(
    database: Database,
    inbox: FoundInbox,
    { position, limit }: { readonly position: number; readonly limit: number },
  ): Promise<Outcome<ReadPage>> {
    if (!(await this.#takeTurn(inbox.projectId))) return noTurn();
    try {
      const { inlineResultBytesMax } = this.#services;
      const page = await readMessages(database, inbox, {
        afterPosition: position,
        limit,
        bytesMax: PAGE_BYTES_MAX,
        inlineResultBytesMax,
      });
      if (page === null) return noSuchInbox(inbox.name);
      return { ok: true, value: await this.#view(inbox, page, position) };
    } finally {
      this.#turns.release(inbox.projectId);
    }
  }

  async #view(inbox: FoundInbox, page: MessagePage, from: number): Promise<ReadPage> {
    const messages = [];
    for (const { position, message } of page.messages) {
      const { webhookId, headers, body } = await this.#services.delivery.message(message);
      const cursor = cursorOf(inbox, position);
      messages.push({
        cursor,
        json: JSON.stringify({ webhook_id: webhookId, headers, body, cursor }),
      });
    }
    // Without messages, nothing lies before the last position either.
    const last = page.messages.at(-1)?.position ?? page.lastPosition;
    const { hasMore, hasUnplaced } = page;
    return { messages, position: Math.max(from, last), hasMore, hasUnplaced };
  }

  async #takeTurn(projectId: string): Promise<boolean> {
    if (this.#turns.tryAcquire(projectId)) return true;
    const patience = new AbortController();
    const timer = this.#services.clock.setTimer(TURN_MS_MAX, () => patience.abort());
    const acquisition = await this.#turns.acquire(projectId, patience.signal);
    timer.cancel();
    if (acquisition === "acquired") return true;
    this.#services.limits.refused("inbox_pages_running");
    return false;
  }
}

/** The refusal unless the project has an inbox of this name. */
export async function missingInbox(database: Database, inbox: InboxName): Promise<Refusal | null> {
  const isThere = INBOX_NAME.test(inbox.name) && (await isInboxThere(database, inbox));
  return isThere ? null : noSuchInbox(inbox.name);
}

export function noSuchInbox(name: string): Refusal {
  return refused(
    "not_found",
    `There is no inbox ${JSON.stringify(name)}. An inbox is created by the first ` +
      "subscription that names it, or by PUT /v1/inboxes/{name}.",
  );
}

export function noSuchConsumer(name: string): Refusal {
  const rule = INBOX_NAME.test(name) ? "" : ` A consumer's name has ${NAME_RULE}.`;
  return refused("not_found", `There is no consumer ${JSON.stringify(name)}.${rule}`);
}

function consumerBusy(name: string): Refusal {
  return refused(
    "consumer_busy",
    `Another request reads for the consumer ${JSON.stringify(name)}; end that one, or use ` +
      "another consumer name. The claim of a dead node ends within 12 seconds.",
    { headers: { "retry-after": "2" } },
  );
}

function noTurn(): Refusal {
  return refused(
    "too_many_requests",
    "The project reads too many pages of messages at once; try again in a moment.",
    { headers: { "retry-after": "2" } },
  );
}

/** An existing inbox. */
export interface FoundInbox extends InboxName {
  /** Id of this inbox, not of an earlier one of the same name. */
  readonly inboxId: string;
}

const HEX_DIGITS = 32;

/** A position in the form for clients. */
export function cursorOf(inbox: FoundInbox, position: number): string {
  return encodeCursor(scopeOf(inbox), position.toString(16).padStart(HEX_DIGITS, "0"));
}

/**
 * The position behind a cursor of this inbox.
 * @param where it was given
 */
export function positionOf(
  inbox: FoundInbox,
  cursor: string,
  where: Omit<InvalidPart, "detail">,
): Outcome<number> {
  const id = decodeCursor(scopeOf(inbox), cursor);
  if (id.ok && id.value !== null) {
    const position = Number.parseInt(id.value.replaceAll("-", ""), 16);
    if (Number.isSafeInteger(position)) return { ok: true, value: position };
  }
  const detail = "Use a cursor from a page of this inbox's messages, unchanged.";
  return { ok: false, problem: problemOfParts("invalid_cursor", [{ ...where, detail }]) };
}

function scopeOf({ projectId, inboxId }: FoundInbox): string {
  return listScope("messages of an inbox", projectId, { inboxId });
}

/** Identifies the reader. */
interface ClaimedReading {
  readonly inbox: FoundInbox;
  /** Null for a reader without a name; there may be many. */
  readonly consumer: string | null;
  readonly isKnownConsumer: boolean;
  readonly database: Database;
}

/** Makes the request the only reader of the consumer. */
export async function claimConsumer(
  services: ApiServices,
  { inbox, consumer, isKnownConsumer, database }: ClaimedReading,
): Promise<Outcome<Release>> {
  if (consumer === null) return { ok: true, value: async () => {} };
  const { projectId, name } = inbox;
  if (!isKnownConsumer) {
    const refusal = await stockRefusal("inbox_consumers", { projectId, database }, services);
    if (refusal !== null) return refusal;
  }
  const release = await services.consumerClaims.claim(database, { projectId, name, consumer });
  return release === null ? consumerBusy(consumer) : { ok: true, value: release };
}

/** Runs `read` while no other request reads for the consumer. */
export async function claimingConsumer(
  services: ApiServices,
  reading: ClaimedReading,
  read: () => Promise<Reply>,
): Promise<Reply> {
  const claim = await claimConsumer(services, reading);
  if (!claim.ok) return claim;
  try {
    return await read();
  } finally {
    await claim.value();
  }
}
