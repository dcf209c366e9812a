/**
 * Everything that projects compete for, or strangers by their addresses. Whatever gives out turns or
 * shares of something is made with a name of this list, and `test/lanes/shares/shared-resources.test.ts` holds
 * each of them to one property: no sequence of requests of some changes the turn of another by more than
 * their share.
 */
const SHARED_RESOURCES = [
  "answer_bytes",
  "answer_thread",
  "attempt_rows",
  "attempts_beginning",
  "attempts_unrecorded",
  "callback_connections",
  "callback_connections_opening",
  "callback_requests",
  "client_connections",
  "database_calls",
  "downloads",
  "event_rows",
  "fan_outs",
  "held_answer_bytes",
  "inbox_pages",
  "inspections",
  "key_lookups",
  "lane_reports",
  "large_event_rows",
  "lists",
  "name_lookups",
  "outbox",
  "reading_time",
  "refusals_held",
  "request_bytes",
  "request_reading",
  "requests",
  "requests_waiting",
  "result_readers",
  "result_rows",
  "status_questions",
  "subscription_rows",
  "subscriptions_accepting",
  "upstream_connections",
  "upstream_connections_opening",
  "upstream_requests",
] as const;

export type SharedResource = (typeof SHARED_RESOURCES)[number];
