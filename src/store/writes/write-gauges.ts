import type { Metrics } from "../../runtime/metrics.ts";
import type { Writers } from "./writers.ts";

/** Gauges of the queues of rows. */
export function registerWriteGauges(metrics: Metrics, writers: Writers): void {
  metrics.gauge("ringback_rows_waiting", "Rows that wait for a batch.", () => writers.queuedRows);
  metrics.gauge(
    "ringback_rows_set_aside",
    "Rows that wait for locks held by other transactions, or that take too long, apart from the rest.",
    () => writers.rowsSetAside,
  );
  metrics.gauge(
    "ringback_oldest_unrecorded_event_seconds",
    "How long the oldest event has been waiting to be recorded; 0 without any.",
    () => writers.oldestUnrecordedEventMs / 1000,
  );
  metrics.gauge(
    "ringback_oldest_unrecorded_attempt_seconds",
    "How long the oldest delivery attempt has been waiting to be recorded; 0 without any.",
    () => writers.oldestUnrecordedAttemptMs / 1000,
  );
}
