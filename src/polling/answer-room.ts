import type { AnswerRoom, OutboundRequest } from "../outbound/request-outcome.ts";

export interface AnswerRoomLimits {
  readonly bytesFree: number;
  /** Of all large answers together. */
  readonly bytesMax: number;
  /** Of those from one origin, so that one upstream can't take all the room. */
  readonly bytesPerOriginMax: number;
}

interface Waiting {
  readonly request: OutboundRequest;
  readonly bytes: number;
  readonly proceed: () => void;
}

/**
 * Bounds what large answers take of memory, from their first bytes until what they mean is known.
 * Each comes in with all that it may still become, so that whoever is in can finish; the others
 * wait, unread, in the order they came, as long as their deadlines let them. One that is larger
 * than all the room is let in alone.
 */
export class LargeAnswerRoom implements AnswerRoom {
  readonly #limits: AnswerRoomLimits;
  readonly #held = new Map<OutboundRequest, number>();
  readonly #heldByOrigin = new Map<string, number>();
  #waiting: Waiting[] = [];
  #heldBytes = 0;

  constructor(limits: AnswerRoomLimits) {
    this.#limits = limits;
  }

  get bytesFree(): number {
    return this.#limits.bytesFree;
  }

  enter(request: OutboundRequest, bytes: number, proceed: () => void): void {
    this.#waiting.push({ request, bytes, proceed });
    this.#admit();
  }

  /** The request is over and its answer, if there was one, is not needed any more. */
  leave(request: OutboundRequest): void {
    if (this.#held.size === 0 && this.#waiting.length === 0) return;
    const bytes = this.#held.get(request);
    if (bytes === undefined) {
      this.#waiting = this.#waiting.filter((one) => one.request !== request);
    } else {
      this.#held.delete(request);
      this.#heldBytes -= bytes;
      this.#holdOfOrigin(request.origin, -bytes);
    }
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) this.#letIn(next);
  }

  #next(): Waiting | null {
    const next = this.#waiting.find((one) => this.#hasOriginRoom(one));
    // Nobody passes the first that waits for all the room: smaller ones would starve it.
    const fits = this.#heldBytes + (next?.bytes ?? 0) <= this.#limits.bytesMax;
    return next !== undefined && (fits || this.#heldBytes === 0) ? next : null;
  }

  #letIn(one: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(one), 1);
    this.#held.set(one.request, one.bytes);
    this.#heldBytes += one.bytes;
    this.#holdOfOrigin(one.request.origin, one.bytes);
    one.proceed();
  }

  #hasOriginRoom({ request, bytes }: Waiting): boolean {
    const held = this.#heldByOrigin.get(request.origin) ?? 0;
    return held === 0 || held + bytes <= this.#limits.bytesPerOriginMax;
  }

  #holdOfOrigin(origin: string, bytes: number): void {
    const held = (this.#heldByOrigin.get(origin) ?? 0) + bytes;
    if (held === 0) this.#heldByOrigin.delete(origin);
    else this.#heldByOrigin.set(origin, held);
  }
}
