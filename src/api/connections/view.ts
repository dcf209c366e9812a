import { publicId } from "../../core/ids/ids.ts";
import type { LaneHold } from "../../core/waiting/lane-status.ts";
import type { ConnectionRecord } from "../../store/connections/manage-connections.ts";
import { isoTime } from "../http/answer.ts";
import type { ConnectionLoad } from "../../polling/upstream/upstreams.ts";
import type { ApiServices } from "../services.ts";

/** A connection as JSON text. */
export function connectionJson(
  of: ConnectionRecord,
  services: Pick<ApiServices, "upstreams">,
): string {
  const { via = {}, ...settings } = of.settings;
  const load = services.upstreams.loadOf(of.id);
  return JSON.stringify({
    id: publicId("connection", of.id),
    object: "connection",
    provider: of.provider,
    name: of.name,
    base_url: of.baseUrl,
    has_credential: of.hasCredential,
    callback_url: via.callback_url ?? null,
    serve_status: via.serve_status ?? "upstream",
    settings,
    status: of.state,
    state: of.state,
    paused_reason: of.pausedReason,
    paused_at: isoTime(of.pausedAtMs),
    next_probe_at: isoTime(of.probeAtMs),
    load: load === null ? null : loadView(load),
    created_at: isoTime(of.createdAtMs),
    updated_at: isoTime(of.updatedAtMs),
  });
}

/** A load as the API shows it. */
export function loadView(load: ConnectionLoad): object {
  return {
    jobs: load.jobs,
    in_flight: load.inFlight,
    waiting: load.waiting,
    behind_s: load.behindMs / 1000,
    limited_by: load.hold === null ? null : limitName(load.hold, load),
    effective_requests_per_second: load.requestsPerSecond,
    paused_until: isoTime(load.pausedUntilMs),
    breaker: load.breaker,
  };
}

function limitName(hold: LaneHold, { breaker }: ConnectionLoad): string {
  switch (hold) {
    case "pause":
      return "paused";
    case "refusal":
      return "rate_limited";
    case "concurrency":
    case "rate":
      return hold;
    case "origin":
      return breaker === "closed" ? "origin" : "breaker";
  }
}
