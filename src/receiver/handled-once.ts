import type { CallbackReply, Replied } from "./reply.ts";
import type { SeenStore } from "./seen.ts";

/**
 * Runs the handler of each callback once: never again after it was done, and never twice at once.
 * Whoever comes while it runs gets the same reply.
 */
export class HandledOnce {
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
