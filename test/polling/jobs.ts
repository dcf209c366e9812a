import type { PollCeilings } from "../../src/core/limits/poll-ceilings.ts";
import { ENDING_EVENT_TYPES, eventMask } from "../../src/core/delivery/event.ts";
import { Origin } from "../../src/lanes/origin.ts";
import type { OriginGate } from "../../src/lanes/origin-gate.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { SecretBox } from "../../src/runtime/secrets/secret-box.ts";
import type { StoredConnection } from "../../src/store/connections/load-connections.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import { CONNECTION_ID, PROJECT_ID, uuids } from "../support/rows.ts";

export const CREDENTIAL = "pulse-key-of-the-test";

/** Seals nothing: tests of other things read what is "sealed". */
export const openBox: SecretBox = {
  seal: (text) => text,
  open: (text) => text,
  digests: (purpose, text) => [`${purpose} ${text}`],
};

/** An operator who leaves everything to definitions and connections. */
export const NO_CEILINGS: PollCeilings = {
  intervalMsMin: 0,
  timeoutMsMax: 900_000,
  concurrencyMax: 1024,
  requestsPerSecondMax: null,
  answerBytesMax: 256 * 2 ** 20,
};

/** An origin that holds nothing back. */
export function openGate(clock: Clock): OriginGate {
  return new Origin(
    { clock },
    { resource: "upstream_requests", concurrency: 2048, breaker: null },
  ).gateOf(PROJECT_ID);
}

/** A connection at Pulse that polls every second. */
export function storedConnection(changes: Partial<StoredConnection> = {}): StoredConnection {
  return {
    id: CONNECTION_ID,
    projectId: PROJECT_ID,
    provider: "pulse",
    name: "default",
    baseUrl: "https://pulse.test",
    credential: CREDENTIAL,
    agreedHosts: null,
    credentialVersion: 1,
    settings: { poll_interval_s: 1 },
    state: "active",
    pausedReason: null,
    probeAtMs: null,
    isDeleted: false,
    updatedAtMs: 0,
    ...changes,
  };
}

let jobs = 0;

/** A job that was accepted now and has an hour. */
export function liveJob(nowMs: number, changes: Partial<LiveJob> = {}): LiveJob {
  jobs += 1;
  const shardId = changes.shardId ?? 7;
  return {
    id: uuids(nowMs, shardId),
    shardId,
    projectId: PROJECT_ID,
    connectionId: CONNECTION_ID,
    provider: "pulse",
    providerVersionId: null,
    jobId: `job-${jobs}`,
    params: "{}",
    status: "pending",
    acceptedAtMs: nowMs,
    deadlineAtMs: nowMs + 3_600_000,
    wantedEvents: eventMask(ENDING_EVENT_TYPES),
    processingAnnounced: false,
    seen: false,
    pollCount: 0,
    lastPolledAtMs: null,
    lastError: null,
    progress: null,
    ...changes,
  };
}

/** An upstream's whole answer. */
export function answeredJson(
  json: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): RequestOutcome {
  return {
    kind: "answered",
    status,
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(json)),
    truncated: false,
    durationMs: 1,
  };
}

export const RUNNING = answeredJson({ job_id: "any", status: "processing" });
export const COMPLETED = answeredJson({ job_id: "any", status: "completed", result: { a: 1 } });
export const UNAUTHORIZED = answeredJson(
  { error: { code: "AUTH_002", message: "Invalid key" } },
  401,
);
export const OUTAGE = answeredJson({ error: { code: "GENERAL_002", message: "Down" } }, 503);
