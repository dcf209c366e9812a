import type { IncomingMessage } from "node:http";
import { publicId } from "../core/ids/ids.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { pathTemplate } from "./outgoing.ts";
import type { RelayOutcome } from "./relay.ts";
import type { RequestBody } from "./request-body.ts";
import type { Passage } from "./services.ts";

/** How one request went, for the log. */
export interface Visit {
  readonly requestId: string;
  readonly startedAtMs: number;
  passage: Passage | null;
  body: RequestBody | null;
  /** Bounds a body that came together with its head. */
  arrivedBytes: number;
  sentAfterMs: number | null;
  answeredAfterMs: number | null;
  subscription: string | null;
  submission: string | null;
  /** Source of the answer to a status request; null for all other requests. */
  servedFrom: "cache" | "upstream" | null;
}

export type RecordedOutcome = Exclude<RelayOutcome, { kind: "failed" }>;

/** Counts a request, and logs it: never its path, which may hold anything, nor a credential. */
export function recordVisit(
  { clock, log, metrics }: Pick<Runtime, "clock" | "log" | "metrics">,
  request: IncomingMessage,
  of: {
    readonly visit: Visit;
    readonly outcome: RecordedOutcome;
    /** The code of the problem that it was refused with. */
    readonly problem: string | null;
  },
): void {
  const { visit, outcome, problem } = of;
  const durationMs = clock.monotonic() - visit.startedAtMs;
  const status = outcome.kind === "client_gone" ? 499 : outcome.status;
  const { method = "", socket } = request;
  const { passage, submission } = visit;
  metrics.recordVia({ method, status, durationMs, submission });
  if (!log.isLevelEnabled("info")) return;
  log.info(
    {
      requestId: visit.requestId,
      method,
      path: passage && pathTemplate(passage, method),
      provider: passage?.known.provider.name ?? null,
      connection: passage && publicId("connection", passage.connection.id),
      status,
      outcome: problem ?? outcome.kind,
      ...(outcome.kind === "cut" && { failure: outcome.failure.code }),
      durationMs: Math.round(durationMs),
      sentAfterMs: visit.sentAfterMs,
      answeredAfterMs: visit.answeredAfterMs,
      requestBytes: visit.body?.bytes ?? visit.arrivedBytes,
      responseBytes: outcome.kind === "answered" ? outcome.bytes : socket.bytesWritten,
      submission,
      subscription: visit.subscription,
      ...(visit.servedFrom !== null && { servedFrom: visit.servedFrom }),
    },
    "passed a request on",
  );
}
