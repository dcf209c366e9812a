import type { Metrics } from "../runtime/metrics.ts";
import type { Outbox } from "./outbox.ts";

/** What /metrics tells of delivering. */
export function registerDeliveryGauges(metrics: Metrics, outbox: Outbox): void {
  metrics.gauge("ringback_outbox_deliveries", "Deliveries in memory.", () => outbox.size);
  metrics.gauge(
    "ringback_callback_lanes",
    "Callback origins with deliveries in memory.",
    () => outbox.originCount,
  );
}
