import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestFailure } from "../core/request-failure.ts";
import type {
  RelayedExchange,
  RelayedHead,
  RelayReader,
} from "../outbound/exchange/relayed-exchange.ts";
import type { MemoryBudget } from "../lanes/shares/memory-budget.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { type LinksThrough, responseHeaders } from "./forwarded-headers.ts";

/** An answer to a submission is looked at up to here; the rest is only passed on. */
export const LOOKED_AT_BYTES_MAX = 1024 * 1024;
/** How long an answer waits for memory to be held in. */
const MEMORY_WAIT_MS = 10_000;

type RelayControl = Pick<RelayedExchange, "resume" | "abort">;

/** The memory of answers that are held, by project. */
type HeldAnswers = Pick<MemoryBudget<Relay>, "bytesFree" | "enter" | "leave">;

/** The beginning of an answer's body. */
export interface HeldBody {
  readonly bytes: Buffer;
  /** Nothing comes after it. */
  readonly isWhole: boolean;
  /** There was no memory to hold more of it. */
  readonly isCrowded: boolean;
}

/** Headers that are added to an answer. */
export type AddedHeaders = Readonly<Record<string, string>>;

interface RelayHooks {
  sent(): void;
  /** Returns whether the answer may be that to a submission, so that its body has to be read first. */
  head(head: RelayedHead): boolean;
  /** The next bytes of the answer's body came. */
  received(chunk: Buffer): void;
  /** Headers that tell the client about the job in an answer. Never rejects. */
  look(head: RelayedHead, body: HeldBody): Promise<AddedHeaders>;
  /** Links in headers that tell where to ask next lead through the gateway too. */
  through(): LinksThrough;
  /** Headers that the answer gets in any case. */
  readonly added: AddedHeaders;
  readonly projectId: string;
  readonly memory: HeldAnswers;
  readonly clock: Clock;
}

export type RelayOutcome =
  | { readonly kind: "answered"; readonly status: number; readonly bytes: number }
  /** Nothing was sent to the client yet. */
  | { readonly kind: "failed"; readonly failure: RequestFailure }
  /** The answer was cut off. */
  | { readonly kind: "cut"; readonly status: number; readonly failure: RequestFailure }
  | { readonly kind: "client_gone" };

/**
 * Passes one answer on to the client, as fast as the client takes it. That of a submission is held
 * until its job is known and its subscription stored, or until it is too large:
 *
 *   head ─┬─▶ passing ───────────────────────────▶ over
 *         └─▶ holding ──end or 1 MiB──▶ looking ──▶ passing
 */
export class Relay implements RelayReader {
  readonly outcome: Promise<RelayOutcome>;
  /** Whose memory it takes. */
  readonly projectId: string;
  readonly #response: ServerResponse;
  readonly #hooks: RelayHooks;
  readonly #settle: (outcome: RelayOutcome) => void;
  #exchange: RelayControl | null = null;
  #state: "waiting" | "holding" | "looking" | "passing" | "over" = "waiting";
  #head: RelayedHead | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes that arrived while the answer was examined. */
  #ending: { readonly trailers: readonly string[] } | { readonly failure: RequestFailure } | null =
    null;
  #isClientGone = false;
  #bytes = 0;
  #isDraining = false;
  /**
   * Bytes that came along with the head, which go out together with it, and with the end of the answer if
   * that came along too; null once they are written.
   */
  #beginning: Buffer | null = null;
  /** Until there is memory to hold more than a little of the answer. */
  #memory: "not_needed" | "awaited" | "had" = "not_needed";
  #memoryTimer: Timer | null = null;

  constructor(request: IncomingMessage, response: ServerResponse, hooks: RelayHooks) {
    this.#response = response;
    this.#hooks = hooks;
    this.projectId = hooks.projectId;
    const { promise, resolve } = Promise.withResolvers<RelayOutcome>();
    this.outcome = promise;
    this.#settle = resolve;
    response.on("close", () => this.#onClose());
    // Its end is seen by the response, which has the same socket.
    request.on("error", ignore);
    response.on("error", ignore);
  }

  /** @param exchange null when it failed at once */
  begin(exchange: RelayControl | null): void {
    this.#exchange = exchange;
    if (this.#response.destroyed) this.#onClose();
  }

  sent(): void {
    this.#hooks.sent();
  }

  head(head: RelayedHead): void {
    this.#head = head;
    if (this.#hooks.head(head)) {
      this.#state = "holding";
      return;
    }
    this.#pass(head, this.#hooks.added);
    this.#beginning = NO_BYTES;
    // A head waits for the first bytes of its body, which mostly came along, and may be long in coming.
    queueMicrotask(() => {
      if (this.#state === "passing") this.#writeBeginning();
    });
  }

  data(chunk: Buffer): boolean {
    this.#hooks.received(chunk);
    if (this.#state === "passing") return this.#passData(chunk);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#state !== "holding") return false;
    if (this.#heldBytes >= LOOKED_AT_BYTES_MAX) {
      this.#lookThenPass();
      return false;
    }
    if (this.#heldBytes > this.#hooks.memory.bytesFree) this.#takeMemory();
    return this.#memory !== "awaited";
  }

  /** All that the answer may come to take, so that it can always be read to its end. */
  #takeMemory(): void {
    if (this.#memory !== "not_needed") return;
    let isAtOnce = true;
    this.#memory = "awaited";
    this.#hooks.memory.enter(this, LOOKED_AT_BYTES_MAX, () => {
      this.#memory = "had";
      this.#memoryTimer?.cancel();
      if (!isAtOnce && this.#state === "holding") this.#exchange?.resume();
    });
    isAtOnce = false;
    if (this.#isHeldInMemory()) return;
    this.#memoryTimer = this.#hooks.clock.setTimer(MEMORY_WAIT_MS, () => {
      if (this.#state === "holding") this.#lookThenPass();
    });
  }

  #isHeldInMemory(): boolean {
    return this.#memory === "had";
  }

  #leaveMemory(): void {
    this.#memoryTimer?.cancel();
    if (this.#memory !== "not_needed") this.#hooks.memory.leave(this);
    this.#memory = "not_needed";
  }

  end(trailers: readonly string[]): void {
    if (this.#state === "passing") return this.#finish(trailers);
    this.#ending = { trailers };
    if (this.#state === "holding") this.#lookThenPass();
  }

  failed(failure: RequestFailure): void {
    switch (this.#state) {
      case "waiting":
        return this.#over({ kind: "failed", failure });
      case "holding":
        this.#ending = { failure };
        this.#lookThenPass();
        return;
      case "looking":
        this.#ending = { failure };
        return;
      case "passing":
        return this.#cut(failure);
      case "over":
        return;
    }
  }

  /** An answer that can't be relayed is cut off; nothing that an upstream sends may end the process. */
  #lookThenPass(): void {
    this.#lookAtHeld().catch((error: unknown) => {
      this.#exchange?.abort();
      this.#leaveMemory();
      this.#cut(unrelayable(error));
    });
  }

  async #lookAtHeld(): Promise<void> {
    this.#state = "looking";
    const head = this.#head;
    if (head === null) return;
    const added = await this.#hooks.look(head, {
      bytes: Buffer.concat(this.#held, this.#heldBytes),
      isWhole: this.#ending !== null && "trailers" in this.#ending,
      isCrowded: this.#memory === "awaited",
    });
    if (this.#isClientGone) {
      this.#exchange?.abort();
      this.#leaveMemory();
      return this.#over({ kind: "client_gone" });
    }
    this.#pass(head, { ...this.#hooks.added, ...added });
    const held = this.#held;
    this.#held = [];
    let mayGoOn = true;
    for (const chunk of held) mayGoOn = this.#write(chunk);
    // Until then the socket holds what was held here.
    if (mayGoOn) this.#leaveMemory();
    else this.#response.once("drain", () => this.#leaveMemory());
    const ending = this.#ending;
    if (ending === null) {
      if (mayGoOn) this.#exchange?.resume();
    } else if ("failure" in ending) this.#cut(ending.failure);
    else this.#finish(ending.trailers);
  }

  #pass({ status, statusText, rawHeaders }: RelayedHead, added: AddedHeaders): void {
    this.#state = "passing";
    const headers = responseHeaders(rawHeaders, status, () => this.#hooks.through());
    for (const [name, value] of Object.entries(added)) headers.push(name, value);
    this.#response.sendDate = false;
    this.#response.writeHead(status, isReasonPhrase(statusText) ? statusText : undefined, headers);
  }

  #passData(chunk: Buffer): boolean {
    if (this.#beginning === NO_BYTES && chunk.length > 0) {
      this.#beginning = chunk;
      return true;
    }
    this.#writeBeginning();
    return this.#write(chunk);
  }

  /** Not flushHeaders for a head without a body, which writes what is beyond ASCII as UTF-8. */
  #writeBeginning(): void {
    const beginning = this.#beginning;
    this.#beginning = null;
    if (beginning !== null) this.#write(beginning);
  }

  #write(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#response.write(chunk)) return true;
    if (!this.#isDraining) this.#response.once("drain", this.#onDrain);
    this.#isDraining = true;
    return false;
  }

  readonly #onDrain = (): void => {
    this.#isDraining = false;
    this.#exchange?.resume();
  };

  #finish(trailers: readonly string[]): void {
    const status = this.#head?.status ?? 0;
    try {
      if (trailers.length > 0) this.#response.addTrailers(pairsOf(trailers));
    } catch (error) {
      return this.#cut(unrelayable(error));
    }
    const rest = this.#beginning ?? NO_BYTES;
    this.#bytes += rest.length;
    // Head, body and end of a small answer in one write.
    if (rest.length === 0) this.#response.end();
    else this.#response.end(rest);
    this.#over({ kind: "answered", status, bytes: this.#bytes });
  }

  /** The client has to see that the answer is not whole. */
  #cut(failure: RequestFailure): void {
    this.#response.destroy();
    this.#over({ kind: "cut", status: this.#head?.status ?? 0, failure });
  }

  #onClose(): void {
    if (this.#state === "over" || this.#response.writableFinished) return this.#leaveMemory();
    this.#isClientGone = true;
    // The job exists: its subscription is stored although the client no longer waits for the answer.
    if (this.#state === "holding" || this.#state === "looking") return;
    this.#exchange?.abort();
    this.#leaveMemory();
    this.#over({ kind: "client_gone" });
  }

  #over(outcome: RelayOutcome): void {
    this.#state = "over";
    this.#settle(outcome);
  }
}

const NO_BYTES = Buffer.alloc(0);

function ignore(): void {}

function unrelayable(error: unknown): RequestFailure {
  const why = error instanceof Error ? error.message : String(error);
  return { code: "invalid_response", message: `The answer can't be relayed: ${why}` };
}

/** The text that Node accepts in a status line. Parsers of answers accept more. */
function isReasonPhrase(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

function pairsOf(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < raw.length; index += 2) {
    pairs.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  }
  return pairs;
}
