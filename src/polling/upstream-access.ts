import type { Observation } from "../core/observation.ts";
import { floorSchedule, type PollSchedule } from "../core/poll-schedule.ts";
import { credentialHosts, strangeHosts } from "../providers/credential-hosts.ts";
import { secretsOf } from "../providers/credential.ts";
import { type PreparedTarget, prepareTarget } from "../providers/prepare-target.ts";
import type { Provider } from "../providers/provider.ts";
import type { StoredConnection } from "../store/load-connections.ts";

/** What requests of a connection under one definition are made from. */
export interface UpstreamAccess {
  readonly projectId: string;
  readonly provider: Provider;
  readonly target: PreparedTarget;
  readonly schedule: PollSchedule;
  readonly credentialVersion: number;
  /** Takes the credential out of texts in which an upstream may have echoed it. */
  redact(observation: Observation): Observation;
  readonly redactText: (text: string) => string;
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
  },
): UpstreamAccess | string {
  const { connection, credential, agreedHosts, userAgent } = through;
  const { baseUrl } = connection;
  const prepared = prepareTarget(provider, { baseUrl, credential, userAgent });
  if (prepared.kind === "refused") return prepared.problem;
  if (agreedHosts !== null && connection.credential !== null) {
    const strange = strangeHosts(credentialHosts(provider, baseUrl), agreedHosts);
    if (strange.length > 0) return notAgreed(strange);
  }
  const redactText = redactor(secretsOf(provider.definition.auth, credential));
  return {
    projectId: connection.projectId,
    provider,
    target: prepared.target,
    schedule: scheduleOf(connection, provider),
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

function redactor(secrets: readonly string[]): (text: string) => string {
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text);
}

function redactTexts(observation: Observation, redact: (text: string) => string): Observation {
  switch (observation.kind) {
    case "completed":
      return observation;
    case "running":
      return observation.unknownStatus === null
        ? observation
        : { ...observation, unknownStatus: redact(observation.unknownStatus) };
    case "failed":
    case "canceled":
    case "expired":
      return { ...observation, error: redact(observation.error) };
    case "absent":
      return {
        ...observation,
        reason: redact(observation.reason),
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

function scheduleOf(connection: StoredConnection, provider: Provider): PollSchedule {
  const intervalS = connection.settings.poll_interval_s;
  return intervalS === undefined
    ? provider.schedule
    : floorSchedule({ kind: "fixed", intervalMs: intervalS * 1000 }, provider.minIntervalMs);
}
