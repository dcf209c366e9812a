import { publicId } from "../../core/ids/ids.ts";
import type { RedeliveryRecord } from "../../store/deliveries/find-redeliveries.ts";
import { isoTime } from "../http/iso-time.ts";

export function redeliveryJson(of: RedeliveryRecord): string {
  return JSON.stringify({
    id: publicId("redelivery", of.id),
    object: "redelivery",
    state: of.state,
    dry_run: of.isDryRun,
    filter: {
      status: of.status,
      event_type: of.eventType,
      callback_origin: of.callbackOrigin,
      created_after: isoTime(of.createdAfterMs),
      created_before: isoTime(of.createdBeforeMs),
    },
    deliveries_per_second: of.perSecond,
    matched: of.matched,
    redelivered: of.redelivered,
    skipped: of.skipped,
    created_at: isoTime(of.createdAtMs),
    finished_at: isoTime(of.finishedAtMs),
  });
}
