import { buildCancelRequest } from "../../providers/request/build.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { UpstreamJob } from "../../store/jobs/find-job.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import type { UpstreamAccess } from "../upstream/access.ts";

/** The answer to a cancel request is read for its status only. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** Asks the upstream once to cancel a job, if the provider has a way to. */
export async function cancelUpstream(
  { clock, log }: Runtime,
  client: Pick<RequestClient, "send">,
  access: UpstreamAccess,
  job: UpstreamJob,
): Promise<void> {
  const { jobId } = job;
  const params = JSON.parse(job.params) as Record<string, string>;
  const request = buildCancelRequest(access.target, { jobId, params }, clock.now());
  if (request === null) return;
  if (request.kind === "refused") {
    const problem = access.redactText(request.problem);
    log.warn({ jobId, problem }, "a job was not canceled");
    return;
  }
  const { method, origin, path, headers, body } = request;
  const outcome = await client.send({
    projectId: access.projectId,
    isTrusted: access.isTrusted && origin === access.target.origin,
    method,
    origin,
    path,
    headers,
    body,
    timeoutMs: access.provider.requestTimeoutMs,
    responseBytesMax: ANSWER_BYTES_MAX,
    whenLarger: "truncate",
  });
  const status = outcome.kind === "answered" ? outcome.status : outcome.failure.code;
  log.info({ jobId, status }, "asked the upstream to cancel a job");
}
