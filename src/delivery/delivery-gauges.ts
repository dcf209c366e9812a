import type { Waits } from "./waits/waits.ts";
import type { Metrics } from "../runtime/metrics.ts";
import {
  BACKLOG_COUNTED_MAX,
  type DeliveryBacklog,
} from "../store/deliveries/find-due-deliveries.ts";
import type { FanOutRunner } from "./fan-out-runner.ts";
import type { DeliveryLoop } from "./delivery-loop.ts";

const BACKLOG = {
  ringback_deliveries_overdue: `Deliveries of all nodes whose next attempt is due, ${BACKLOG_COUNTED_MAX} at most.`,
  ringback_oldest_overdue_delivery_seconds:
    "How long the first of the overdue deliveries has been due.",
} as const;

/** The gauges of delivering. */
export function registerDeliveryGauges(
  metrics: Metrics,
  {
    loop,
    waits,
    fanOuts,
    readBacklog,
  }: {
    readonly loop: Pick<DeliveryLoop, "outbox" | "attemptsWaiting">;
    readonly waits: Waits;
    readonly fanOuts: Pick<FanOutRunner, "size" | "oldestMs">;
    /** Reads the backlog of all nodes, at each scrape. */
    readonly readBacklog: () => Promise<DeliveryBacklog>;
  },
): void {
  const { outbox } = loop;
  metrics.gauge(
    "ringback_attempts_waiting_for_loop",
    "Attempts that wait for their project's turn of the event loop.",
    () => loop.attemptsWaiting,
  );
  metrics.measuredGauges(BACKLOG, async () => {
    const { overdue, oldestOverdueMs } = await readBacklog();
    return {
      ringback_deliveries_overdue: overdue,
      ringback_oldest_overdue_delivery_seconds: oldestOverdueMs / 1000,
    };
  });
  metrics.gauge(
    "ringback_ending_waits",
    "Requests at this node that wait for the end of a job.",
    () => waits.endings.size,
  );
  metrics.gauge(
    "ringback_event_waits",
    "Requests at this node that wait for an event of their project.",
    () => waits.events.size,
  );
  metrics.gauge(
    "ringback_inbox_waits",
    "Requests at this node that wait for messages of an inbox, streams included.",
    () => waits.inboxFeed.size,
  );
  metrics.gauge("ringback_outbox_deliveries", "Deliveries in memory.", () => outbox.size);
  metrics.gauge(
    "ringback_callback_lanes",
    "Callback origins with deliveries in memory.",
    () => outbox.originCount,
  );
  metrics.gauge(
    "ringback_callback_lanes_failing",
    "Callback origins that fail and are tried once in a while only.",
    () => outbox.failingOrigins.length,
  );
  metrics.gauge(
    "ringback_fan_outs",
    "Events of jobs with many subscriptions that this node is not through with yet.",
    () => fanOuts.size,
  );
  metrics.gauge(
    "ringback_oldest_fan_out_seconds",
    "How long ago the oldest of these events occurred; 0 without any.",
    () => fanOuts.oldestMs / 1000,
  );
}
