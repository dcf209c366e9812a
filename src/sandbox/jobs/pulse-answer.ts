import { jobState, type JobState, type SandboxJob } from "./sandbox-job.ts";

/**
 * The body of a status answer in Pulse's format: `job_id`, `status`, `created_at` always;
 * `updated_at`, `result` (also the progress while processing) and `error` when they apply.
 * @param processing how it spells "processing"
 * @param downloadUrl where a pointer leads
 */
export function pulseJobBody(
  job: SandboxJob,
  nowMs: number,
  processing: string,
  downloadUrl: string,
): string {
  const state = jobState(job, nowMs);
  const status = state.status === "processing" ? processing : state.status;
  const fields = [
    member("job_id", JSON.stringify(job.id)),
    member("status", JSON.stringify(status)),
    member("created_at", isoText(job.createdAtMs)),
    ...stateFields(job, state, downloadUrl),
  ];
  return `{${fields.join(",")}}`;
}

/** The document a completed job made, as JSON text: the given one, or markdown of the size asked for. */
export function resultText(job: SandboxJob): string {
  const { result, resultBytes } = job.request;
  if (result !== null) return result;
  return JSON.stringify({
    markdown: markdownOf(resultBytes),
    page_count: Math.max(1, Math.ceil(resultBytes / BYTES_A_PAGE)),
    extraction_id: `extraction-${job.id}`,
  });
}

const BYTES_A_PAGE = 3000;
const SENTENCE = "All work and no poll makes Jack a dull job. ";

function markdownOf(length: number): string {
  const text = `# Sandbox document\n\n${SENTENCE.repeat(Math.ceil(length / SENTENCE.length))}`;
  return text.slice(0, length);
}

function stateFields(job: SandboxJob, state: JobState, downloadUrl: string): string[] {
  switch (state.status) {
    case "pending":
      return [];
    case "processing":
      return [
        member("updated_at", isoText(state.sinceMs)),
        member("result", JSON.stringify({ progress: state.progress })),
      ];
    case "completed":
      return [
        member("updated_at", isoText(state.endedAtMs)),
        member("result", completedResult(job, downloadUrl)),
      ];
    case "failed":
      return [
        member("updated_at", isoText(state.endedAtMs)),
        member("error", '"The document could not be read."'),
      ];
    case "canceled":
      return [member("updated_at", isoText(state.endedAtMs))];
    case "expired":
      return [
        member("updated_at", isoText(state.endedAtMs)),
        // A stub: what is left of a job past its retention.
        member("result", '{"message":"The result is no longer available."}'),
      ];
  }
}

function completedResult(job: SandboxJob, downloadUrl: string): string {
  if (!job.request.pointer) return resultText(job);
  return JSON.stringify({ is_url: true, url: downloadUrl });
}

function member(name: string, json: string): string {
  return `"${name}":${json}`;
}

function isoText(ms: number): string {
  return JSON.stringify(new Date(ms).toISOString());
}
