import type { Socket } from "node:net";
import type { Client } from "undici";
import type { Dial } from "./dial.ts";
import type { AnswerTap } from "./exchange/answer-tap.ts";

/** A connection to an origin, open or being opened. */
export interface Connection {
  /** Null until its name is known. */
  client: Client | null;
  readonly dial: Dial;
  readonly tap: AnswerTap;
  /** Null until it is open. */
  socket: Socket | null;
  /**
   * True when the present socket has carried a response, so that the host may have closed it since.
   */
  used: boolean;
  readonly isLenient: boolean;
}
