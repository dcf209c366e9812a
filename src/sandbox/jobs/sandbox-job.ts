import type { JobRequest } from "./job-request.ts";

/**
 * A fake upstream job. Nothing happens to it while it runs: its state follows from its age, so a
 * hundred thousand of them cost memory and no timers.
 */
export interface SandboxJob {
  readonly id: string;
  readonly request: JobRequest;
  readonly createdAtMs: number;
  /** Null unless it was canceled before it ended. */
  canceledAtMs: number | null;
  /** Status requests so far. */
  requests: number;
  /** Names the credential of the first status request; null before it. */
  firstCredential: string | null;
  /** Whether the download its pointer leads to was used. */
  downloaded: boolean;
}

export type JobState =
  | { readonly status: "pending" }
  | {
      readonly status: "processing";
      readonly sinceMs: number;
      readonly progress: {
        readonly total: number;
        readonly completed: number;
        readonly failed: number;
      };
    }
  | {
      readonly status: "completed" | "failed" | "canceled" | "expired";
      readonly endedAtMs: number;
    };

const PENDING_SHARE = 0.2;
const PENDING_MS_MAX = 1000;
const PROGRESS_TOTAL = 10;

/**
 * Pending for the first fifth of its duration (a second at most), then processing in ten steps, then
 * its outcome. A job that never ends stays at nine of ten.
 */
export function jobState(job: SandboxJob, nowMs: number): JobState {
  if (job.canceledAtMs !== null) return { status: "canceled", endedAtMs: job.canceledAtMs };
  const { durationMs, outcome } = job.request;
  const ageMs = nowMs - job.createdAtMs;
  if (outcome !== "never" && ageMs >= durationMs) {
    return { status: outcome, endedAtMs: job.createdAtMs + durationMs };
  }
  const pendingMs = Math.min(PENDING_MS_MAX, durationMs * PENDING_SHARE);
  if (ageMs < pendingMs) return { status: "pending" };
  return {
    status: "processing",
    sinceMs: job.createdAtMs + pendingMs,
    progress: { total: PROGRESS_TOTAL, completed: stepsDone(ageMs, durationMs), failed: 0 },
  };
}

export function isEnded(job: SandboxJob, nowMs: number): boolean {
  const { status } = jobState(job, nowMs);
  return status !== "pending" && status !== "processing";
}

function stepsDone(ageMs: number, durationMs: number): number {
  if (durationMs === 0) return PROGRESS_TOTAL - 1;
  return Math.min(PROGRESS_TOTAL - 1, Math.floor((PROGRESS_TOTAL * ageMs) / durationMs));
}
