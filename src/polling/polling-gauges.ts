import { publicId } from "../core/ids/ids.ts";
import type { RequestFailureCode } from "../core/request-failure.ts";
import type { Interpretation } from "../providers/answer/interpret.ts";
import type { GaugeRow, Metrics } from "../runtime/metrics.ts";
import type { Upstreams } from "./upstream/upstreams.ts";
import type { WatchList } from "./watch/list.ts";

/** A scrape stays readable: of more connections only those are shown that are furthest behind. */
const CONNECTIONS_SHOWN_MAX = 500;

const OF_CONNECTION = {
  ringback_connection_jobs: "Jobs that this node polls through the connection.",
  ringback_connection_polls_in_flight: "Polls in progress.",
  ringback_connection_polls_waiting: "Polls that are due and wait for a limit.",
  ringback_connection_behind_seconds: "For how long the first of them has been due.",
  ringback_connection_requests_per_second_max:
    "The rate at which this node may poll, as set or as learned from refusals.",
} as const;

/** Counts a poll by its meaning and, if it was of no use, by its error code. */
export function countPoll(
  metrics: Metrics,
  interpretation: Interpretation,
  failureCode: RequestFailureCode | null,
): void {
  metrics.polls.add(interpretation.kind);
  const errorCode = failureCode ?? errorCodeOf(interpretation);
  if (errorCode !== null) metrics.pollFailures.add(errorCode);
}

function errorCodeOf(interpretation: Interpretation): string | null {
  switch (interpretation.kind) {
    case "retry":
      return interpretation.cause;
    case "absent":
    case "credential_rejected":
      return interpretation.kind;
    case "running":
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
    case "result_wanted":
      return null;
  }
}

/** The gauges of polling. */
export function registerPollingGauges(metrics: Metrics, watches: WatchList): void {
  const { upstreams } = watches;
  metrics.gauge("ringback_watched_jobs", "Jobs this node polls.", () => watches.size);
  metrics.gauge("ringback_polls_in_flight", "Polls in progress.", () => upstreams.pollsInFlight);
  metrics.gauges(
    "breaker",
    { ringback_upstream_origins: "Origins of upstreams, once for each project." },
    () =>
      (["closed", "open", "half_open"] as const).map((breaker) => ({
        of: breaker,
        values: { ringback_upstream_origins: upstreams.countOrigins(breaker) },
      })),
  );
  metrics.gauges("connection", OF_CONNECTION, () => connectionRows(upstreams));
}

function connectionRows(upstreams: Upstreams): GaugeRow<keyof typeof OF_CONNECTION>[] {
  return [...upstreams.all()]
    .filter(({ jobs }) => jobs > 0)
    .map((upstream) => ({ upstream, load: upstream.lane.load() }))
    .toSorted((a, b) => b.load.behindMs - a.load.behindMs)
    .slice(0, CONNECTIONS_SHOWN_MAX)
    .map(({ upstream, load }) => ({
      of: publicId("connection", upstream.connectionId),
      values: {
        ringback_connection_jobs: upstream.jobs,
        ringback_connection_polls_in_flight: load.inFlight,
        ringback_connection_polls_waiting: load.waiting,
        ringback_connection_behind_seconds: load.behindMs / 1000,
        ...(load.requestsPerSecond !== null && {
          ringback_connection_requests_per_second_max: load.requestsPerSecond,
        }),
      },
    }));
}
