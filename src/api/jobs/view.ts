import { publicId } from "../../core/ids/ids.ts";
import type { JobRecord } from "../../store/jobs/find-jobs.ts";
import { isoTime } from "../http/answer.ts";
import type { LiveJobView } from "../../polling/watch/list.ts";
import type { JobWaits, WaitFacts, WaitingJob } from "../waiting.ts";

/** The job facts that decide what it waits for. */
export function waitingJobOf({ id: jobRowId, ...job }: JobRecord): WaitingJob {
  return { ...job, jobRowId };
}

/**
 * A job as JSON text. Params and progress are spliced in as received.
 * @param live what the node that polls it knows beyond the row; null for what is known here
 */
export function jobJson(
  of: JobRecord,
  facts: Pick<WaitFacts, "watches">,
  waits: JobWaits,
  live: LiveJobView | null = null,
): string {
  const here = of.endedAtMs === null ? (live ?? facts.watches.view(of.shardId, of.id)) : null;
  const wait = live?.wait ?? waits(waitingJobOf(of));
  const seen = here ?? { ...of, nextPollAtMs: null };
  const fields = {
    id: publicId("job", of.id),
    object: "job",
    job_id: of.jobId,
    provider: of.provider,
    connection: of.connection ?? "unknown",
    status: seen.status,
    poll_count: seen.pollCount,
    last_polled_at: isoTime(seen.lastPolledAtMs),
    last_outcome: seen.lastOutcome ?? of.lastOutcome,
    last_error: seen.lastError,
    next_poll_at: isoTime(seen.nextPollAtMs),
    waiting_for: wait?.for ?? null,
    not_before: isoTime(wait?.notBeforeMs ?? null),
    subscription_count: of.subscriptionCount,
    last_event_id: of.lastEventId === null ? null : publicId("event", of.lastEventId),
    created_at: isoTime(of.acceptedAtMs),
    deadline_at: isoTime(of.deadlineAtMs),
    ended_at: isoTime(of.endedAtMs),
  };
  return (
    `${JSON.stringify(fields).slice(0, -1)},"params":${of.params},` +
    `"progress":${seen.progress ?? "null"}}`
  );
}
