import { buildCancelRequest } from "../providers/build-request.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { JobReference } from "../store/find-job.ts";
import { type AskPorts, outbound } from "./ask-upstream.ts";
import type { UpstreamAccess } from "./upstream-access.ts";

export interface CancelPorts extends Pick<AskPorts, "send"> {
  readonly clock: Clock;
  readonly log: Log;
}

/** Asks an upstream to cancel a job; what becomes of that is told by the next polls. */
export async function cancelUpstream(
  ports: CancelPorts,
  access: UpstreamAccess,
  job: JobReference,
): Promise<void> {
  const { clock, log } = ports;
  const params = JSON.parse(job.params) as Record<string, string>;
  const reference = { jobId: job.jobId, params };
  const request = buildCancelRequest(access.target, reference, clock.now());
  if (request === null) return;
  if (request.kind === "refused") {
    log.warn({ jobId: job.jobId, problem: request.problem }, "a job was not canceled");
    return;
  }
  const { requestTimeoutMs, resultBytesMax } = access.provider;
  const outcome = await ports.send(outbound(request, requestTimeoutMs, resultBytesMax));
  const status = outcome.kind === "answered" ? outcome.status : outcome.failure.code;
  log.info({ jobId: job.jobId, status }, "asked the upstream to cancel a job");
}
