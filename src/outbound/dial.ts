import type { Socket } from "node:net";

/** Progress of one connection; `open` includes its TLS handshake. */
type DialStage = "looking_up" | "waiting_for_turn" | "connecting" | "open";

/**
 * One connection's way to its socket, and the socket. undici does not stop an attempt to connect
 * when its client is destroyed; this does, and reports when nothing of it is left.
 */
export class Dial {
  stage: DialStage = "connecting";
  readonly #onGone: () => void;
  #socket: Socket | null = null;
  #abandonment: AbortController | null = null;
  #isAbandoned = false;
  #isGone = false;

  /** @param onGone called once, when it was abandoned and its socket is closed */
  constructor(onGone: () => void) {
    this.#onGone = onGone;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Aborted when the dial is abandoned. */
  get abandoned(): AbortSignal {
    this.#abandonment ??= new AbortController();
    if (this.#isAbandoned) this.#abandonment.abort();
    return this.#abandonment.signal;
  }

  /** Registers a socket that connects or is open. */
  track(socket: Socket): void {
    this.#socket = socket;
    socket.once("close", () => {
      if (this.#socket === socket) this.#socket = null;
      this.#goneIfNothingIsLeft();
    });
  }

  /** The connection is no longer needed. An open socket is left to its owner. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#abandonment?.abort();
    if (this.stage !== "open") this.#socket?.destroy(new Error("the connection is not wanted"));
    this.#goneIfNothingIsLeft();
  }

  #goneIfNothingIsLeft(): void {
    if (!this.#isAbandoned || this.#socket !== null || this.#isGone) return;
    this.#isGone = true;
    this.#onGone();
  }
}
