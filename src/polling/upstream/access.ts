import { isJson } from "../../core/json/json-syntax.ts";
import type { Observation, UpstreamTimes } from "../../core/job/observation.ts";
import { createEchoRedactor, type EchoRedactor } from "../../core/redact/redact-echoes.ts";
import type { PollCeilings } from "../../core/limits/poll-ceilings.ts";
import { floorSchedule, type PollSchedule } from "../../core/job/poll-schedule.ts";
import { credentialHosts, hostsNotAgreed } from "../../providers/compile/hosts.ts";
import { secretsOf } from "../../providers/request/credential.ts";
import { type PreparedTarget, prepareTarget } from "../../providers/request/target.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import type { StoredConnection } from "../../store/connections/load-connections.ts";

/** How to make requests of a connection under one definition. */
export interface UpstreamAccess {
  readonly projectId: string;
  /** Whether its requests may go to the origin of `target` wherever that leads. */
  readonly isTrusted: boolean;
  readonly provider: Provider;
  readonly target: PreparedTarget;
  readonly schedule: PollSchedule;
  /** No wait between two polls of a job is shorter. */
  readonly minIntervalMs: number;
  /** For one exchange, besides the time in which the upstream is asked to hold its answer back. */
  readonly requestTimeoutMs: number;
  /** The same with that time. */
  readonly timeoutMsMax: number;
  /** The largest status answer that is read. */
  readonly statusBytesMax: number;
  /** The largest answer to a request for a result. */
  readonly resultBytesMax: number;
  readonly credentialVersion: number;
  /** Takes the credential out of texts in which an upstream may have echoed it. */
  redact(observation: Observation): Observation;
  readonly redactText: EchoRedactor;
}

/** How a connection reaches the API that a definition describes, or why it does not. */
export function accessTo(
  provider: Provider,
  through: {
    readonly connection: StoredConnection;
    /** Opened; empty when there is none. */
    readonly credential: string;
    /** Where the credential may be sent; null for wherever the definition leads. */
    readonly agreedHosts: readonly string[] | null;
    readonly userAgent: string;
    readonly ceilings: PollCeilings;
    /** Whether the operator sends requests of this connection to this origin. */
    readonly trusts: (origin: string) => boolean;
  },
): UpstreamAccess | string {
  const { connection, credential, agreedHosts, userAgent, ceilings, trusts } = through;
  const { baseUrl } = connection;
  const prepared = prepareTarget(provider, { baseUrl, credential, userAgent });
  if (prepared.kind === "refused") return prepared.problem;
  if (agreedHosts !== null && connection.credential !== null) {
    const notAgreedTo = hostsNotAgreed(credentialHosts(provider, baseUrl), agreedHosts);
    if (notAgreedTo.length > 0) return notAgreed(notAgreedTo);
  }
  const redactText = createEchoRedactor(secretsOf(provider.definition.auth, credential));
  const minIntervalMs = Math.max(provider.minIntervalMs, ceilings.intervalMsMin);
  return {
    projectId: connection.projectId,
    isTrusted: trusts(prepared.target.origin),
    provider,
    target: prepared.target,
    schedule: scheduleOf(connection, provider, minIntervalMs),
    minIntervalMs,
    requestTimeoutMs: Math.min(provider.requestTimeoutMs, ceilings.timeoutMsMax),
    timeoutMsMax: ceilings.timeoutMsMax,
    statusBytesMax: Math.min(provider.statusBytesMax, ceilings.answerBytesMax),
    resultBytesMax: Math.min(provider.resultBytesMax, ceilings.answerBytesMax),
    credentialVersion: connection.credentialVersion,
    redact: (observation) => redactTexts(observation, redactText),
    redactText,
  };
}

function notAgreed(hosts: readonly string[]): string {
  return (
    `The provider's definition leads to ${hosts.join(", ")}, where the credential was not given for; ` +
    "give the connection its credential again to agree."
  );
}

/** A result is left as it is: it is the client's own. */
function redactTexts(observation: Observation, redact: EchoRedactor): Observation {
  switch (observation.kind) {
    case "completed":
      return { ...observation, times: redactTimes(observation.times, redact) };
    // Comes with every poll, mostly without any text that is kept.
    case "running":
      if (observation.unknownStatus === null && observation.progress === null) return observation;
      return {
        ...observation,
        unknownStatus:
          observation.unknownStatus === null ? null : redact(observation.unknownStatus),
        progress:
          observation.progress === null ? null : redactJsonText(observation.progress, redact),
      };
    case "failed":
    case "canceled":
    case "expired":
      return {
        ...observation,
        error: redact(observation.error),
        times: redactTimes(observation.times, redact),
      };
    case "absent":
      return {
        ...observation,
        reason: redact(observation.reason),
        times: redactTimes(observation.times, redact),
        ending:
          observation.ending.status === "expired"
            ? { status: "expired", error: redact(observation.ending.error) }
            : observation.ending,
      };
    case "retry":
    case "credential_rejected":
      return { ...observation, reason: redact(observation.reason) };
  }
}

function redactTimes({ createdAt, updatedAt }: UpstreamTimes, redact: EchoRedactor): UpstreamTimes {
  return {
    createdAt: createdAt === null ? null : redact(createdAt),
    updatedAt: updatedAt === null ? null : redact(updatedAt),
  };
}

/** Stays JSON; where the mask would break it, the whole is a masked text. */
function redactJsonText(json: string, redact: EchoRedactor): string {
  const redacted = redact(json);
  if (redacted === json) return json;
  return isJson(redacted) ? redacted : JSON.stringify(redact(json.replaceAll('"', "")));
}

function scheduleOf(
  connection: StoredConnection,
  provider: Provider,
  minIntervalMs: number,
): PollSchedule {
  const intervalS = connection.settings.poll_interval_s;
  const schedule: PollSchedule =
    intervalS === undefined ? provider.schedule : { kind: "fixed", intervalMs: intervalS * 1000 };
  return floorSchedule(schedule, minIntervalMs);
}
