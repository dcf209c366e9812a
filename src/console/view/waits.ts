import type { SubscriptionWait } from "../../core/waiting/explanation.ts";

/** Each completes "waits for". */
const WAITS: Readonly<Record<SubscriptionWait, string>> = {
  job_running: "the job to end",
  first_poll: "its first poll",
  job_not_found: "the provider to know the job",
  upstream_failing: "the provider's API to answer",
  answer_unusable: "an answer that can be read",
  credential_rejected: "a credential that is accepted",
  connection_paused: "its connection to be resumed",
  connection_unusable: "a connection that can be used",
  rate_limit: "the rate limit",
  turn: "its turn",
  fan_out: "the job's other subscriptions",
  recording: "its ending to be stored",
  schedule: "its next attempt",
  origin_failing: "the receiver to answer again",
  origin_paused: "the end of the receiver's pause",
  cannot_send: "a way to reach the receiver",
  older_event: "an older event to be sent",
  sending: "the receiver's answer",
};

/** The cause that a job or a delivery waits for, in words. */
export function waitOf(cause: SubscriptionWait): string {
  return WAITS[cause];
}

const CALL = String.raw`(?:GET|POST|PATCH|PUT|DELETE) /v1/[^\s,;]*[^\s,;.]`;
const BY_CALL = new RegExp(String.raw`(?: with|:|, or|, then) ${CALL}(?: with \{.*?\})?`, "g");
const ANY_CALL = new RegExp(CALL);

/** The API's advice without the requests that it names, since the page has a button or a link for each. */
export function adviceOf(action: string): string {
  return action
    .replaceAll(BY_CALL, "")
    .split(/(?<=\.) /)
    .filter((sentence) => !ANY_CALL.test(sentence))
    .join(" ");
}
