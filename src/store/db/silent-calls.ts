import type { Clock } from "../../runtime/clock.ts";
import type { Connection } from "../connection/connection.ts";

/** Many times as long as a statement takes, so that hardly any is ever asked about. */
const SILENT_FOR_MS = 2_000;

/** A call that has sent more may still be on its way, so it is left to its limits. */
const SENT_BYTES_MAX = 256 * 1024;

/** A call in progress, and the connection that it waits for. */
export interface CallInProgress {
  readonly connection: Pick<Connection, "backend" | "bytesReceived" | "bytesSent" | "destroy">;
  /** Bytes that were sent on the connection before. */
  readonly sentBefore: number;
}

/** A call on whose connection nothing was received since this monotonic time. */
export interface SilentCall {
  readonly call: CallInProgress;
  readonly since: number;
}

/** How much was received on the connection of a call, and since when it is no more. */
interface Silence {
  readonly bytes: number;
  readonly since: number;
}

/**
 * Finds calls whose connections have received nothing for a while. They may be waiting for a long statement, or
 * for an answer that never comes, because the connection died without a FIN or RST.
 */
export class SilentCalls {
  readonly #clock: Clock;
  #seen: ReadonlyMap<CallInProgress, Silence> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param calls all that are in progress; silence is counted from one look to the next */
  look(calls: Iterable<CallInProgress>): readonly SilentCall[] {
    const now = this.#clock.monotonic();
    const silent: SilentCall[] = [];
    const seen = new Map<CallInProgress, Silence>();
    for (const call of calls) {
      const { connection, sentBefore } = call;
      const before = this.#seen.get(call);
      const bytes = connection.bytesReceived;
      const sent = connection.bytesSent - sentBefore;
      const since = before?.bytes === bytes ? before.since : now;
      seen.set(call, { bytes, since });
      if (now - since >= SILENT_FOR_MS && sent <= SENT_BYTES_MAX) silent.push({ call, since });
    }
    this.#seen = seen;
    return silent;
  }

  /** True while nothing more was received since the last look. */
  isStillSilent({ call }: SilentCall): boolean {
    return this.#seen.get(call)?.bytes === call.connection.bytesReceived;
  }
}
