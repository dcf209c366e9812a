import { JOB_RESULT_BYTES_MAX, type JobRequest, OUTCOMES } from "./job-request.ts";
import { MISBEHAVIOURS, type Misbehaviour } from "./misbehaviour.ts";

/*
 * A job's id tells what was asked for and when: `sandbox-completed-3000ms-mi4u2v1k-5b1a2c09-200b-none`.
 * So a gateway that was restarted, or another node, knows jobs that it has never seen, and a kill -9 in
 * the middle can be tried in the sandbox. Only a result of one's own finds no room in an id.
 */
const OWN_RESULT = "own";
const ID =
  /^sandbox-([a-z]+)-(\d{1,8})ms-([\da-z]{1,9})-[\da-f]{8}-(\d{1,7})b-([a-z\d_]+)(-pointer)?$/;

/** @param nonce eight hex digits */
export function jobId(request: JobRequest, createdAtMs: number, nonce: string): string {
  const { outcome, durationMs, resultBytes, misbehaviour, pointer, result } = request;
  if (result !== null) return `sandbox-${OWN_RESULT}-${createdAtMs.toString(36)}-${nonce}`;
  return (
    `sandbox-${outcome}-${durationMs}ms-${createdAtMs.toString(36)}-${nonce}` +
    `-${resultBytes}b-${misbehaviour}${pointer ? "-pointer" : ""}`
  );
}

/** The request that a job id encodes; null for any other id. */
export function readJobId(
  id: string,
): { readonly request: JobRequest; readonly createdAtMs: number } | null {
  const [, name, duration, created = "", bytes, misbehaviour = "", pointer] = ID.exec(id) ?? [];
  const outcome = OUTCOMES.find((known) => known === name);
  const resultBytes = Number(bytes);
  if (outcome === undefined || !isMisbehaviour(misbehaviour)) return null;
  if (resultBytes > JOB_RESULT_BYTES_MAX) return null;
  return {
    createdAtMs: Number.parseInt(created, 36),
    request: {
      outcome,
      durationMs: Number(duration),
      result: null,
      resultBytes,
      misbehaviour,
      pointer: pointer !== undefined,
    },
  };
}

function isMisbehaviour(name: string): name is Misbehaviour {
  return Object.hasOwn(MISBEHAVIOURS, name);
}
