import type { Socket } from "node:net";

/** How far one connection has come; `open` with its TLS handshake. */
export type DialStage = "looking_up" | "connecting" | "open";

/**
 * The way of one connection to its socket, and the socket. undici does not stop an attempt to
 * connect when its client is destroyed; this does, and tells when nothing of it is left.
 */
export class Dial {
  stage: DialStage = "connecting";
  readonly #onGone: () => void;
  #socket: Socket | null = null;
  #isAbandoned = false;
  #isGone = false;

  /** @param onGone called once, when it was abandoned and its socket is closed */
  constructor(onGone: () => void) {
    this.#onGone = onGone;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** A socket that connects or is open. */
  track(socket: Socket): void {
    this.#socket = socket;
    socket.once("close", () => {
      if (this.#socket === socket) this.#socket = null;
      this.#goneIfNothingIsLeft();
    });
  }

  /** Nobody wants the connection any more. What is open is left to whoever has it. */
  abandon(): void {
    this.#isAbandoned = true;
    if (this.stage !== "open") this.#socket?.destroy(new Error("the connection is not wanted"));
    this.#goneIfNothingIsLeft();
  }

  #goneIfNothingIsLeft(): void {
    if (!this.#isAbandoned || this.#socket !== null || this.#isGone) return;
    this.#isGone = true;
    this.#onGone();
  }
}
