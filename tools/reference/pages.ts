import { loadConfig } from "../../src/config.ts";
import { ATTEMPT_ERROR_CODES } from "../../src/core/delivery/delivery-outcome.ts";
import { PROBLEMS, WARNING_CODES } from "../../src/core/error-codes.ts";
import { callbackBody, EVENT_TYPES, type EventType } from "../../src/core/delivery/event.ts";
import {
  OPERATIONAL_EVENT_TYPES,
  operationalEventBody,
  type OperationalEventType,
} from "../../src/core/delivery/operational-event.ts";
import { UNREADINESS_REASONS } from "../../src/core/readiness.ts";
import { SETTINGS } from "../../src/runtime/settings/settings.ts";
import { boundsPage } from "./bounds.ts";
import { cliPage } from "./cli.ts";
import { markdownTable, oneLine } from "./markdown.ts";

const GENERATED = "<!-- Written by `npm run reference`; change the source instead. -->";

/**
 * The pages of docs/reference, by file name.
 * @param metrics what `/metrics` answers
 */
export function referencePages(metrics: string): Readonly<Record<string, string>> {
  const pages = {
    "settings.md": settingsPage(),
    "errors.md": errorsPage(),
    "events.md": eventsPage(),
    "metrics.md": metricsPage(metrics),
    "bounds.md": boundsPage(),
    "cli.md": cliPage(),
  };
  return Object.fromEntries(
    Object.entries(pages).map(([name, text]) => [name, `${GENERATED}\n\n${text}\n`]),
  );
}

function settingsPage(): string {
  const rows = Object.entries(SETTINGS).map(([name, { meaning, byDefault }]) => [
    `\`${name}\``,
    meaning,
    byDefault,
    validOf(name),
  ]);
  return [
    "# Settings",
    "Settings are read from the environment once, at the start. A variable that is empty counts as not set. When any " +
      "setting is wrong or missing, the start stops and lists all of them. A variable that begins with `RINGBACK_` and is " +
      "not a setting is a warning in the log.",
    "The limits of projects have settings too, listed in [limits of projects](../project-limits.md).",
    markdownTable(["Name", "Meaning", "Default", "Valid"], rows),
  ].join("\n\n");
}

/** The valid values of a setting, as a failed start states them. */
function validOf(name: string): string {
  // No setting takes such a text, except those that take any.
  const result = loadConfig({ [name]: " \u0001 " }, false);
  if (result.kind === "ok") return "any text";
  const valid = result.problems.find((problem) => problem.name === name)?.valid ?? "";
  return oneLine(valid.split("; make one with")[0] ?? "");
}

function errorsPage(): string {
  const problems = Object.entries(PROBLEMS).map(([code, { status, title, help }]) => [
    `\`${code}\``,
    String(status),
    title,
    help,
  ]);
  const reasons = Object.entries(UNREADINESS_REASONS).map(([code, text]) => [`\`${code}\``, text]);
  return [
    "# Errors",
    "Errors are answered as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems, with the content type " +
      "`application/problem+json`. Programs read `code`, which never changes its meaning or its status. People read " +
      "`detail`, which says what was wrong and what to do. `errors` names each invalid part by a JSON Pointer, a query " +
      "parameter or a header. `type` leads to a page about the code, `/docs/errors/<code>`. `instance` also appears in the log.",
    "A 503 has `outcome`: `none` if nothing was stored, `unknown` if something may have been. Send the request again with " +
      "the same `Idempotency-Key`, and it is never stored twice. A 429 or 503 has `Retry-After`; a 429 also has `RateLimit`, which names the limit that was reached.",
    markdownTable(["Code", "Status", "Title", "What to do"], problems),
    "## Warnings",
    `A 201 can have \`warnings\`, each with a \`code\` and a \`message\`: ${listed(WARNING_CODES)}.`,
    "## Readiness",
    "`/readyz` answers 503 with one or more `reasons`:",
    markdownTable(["Reason", "Meaning"], reasons),
    "## Attempts",
    "A delivery attempt that failed has an `error_code`. [Delivery](../delivery.md#why-an-attempt-failed) " +
      `explains each: ${listed(ATTEMPT_ERROR_CODES)}.`,
  ].join("\n\n");
}

const JOB_EVENTS: Readonly<Record<EventType, string>> = {
  "job.completed":
    "The job completed. `data.result` is its result, or `data.result_url` a link to it.",
  "job.failed": "The job failed at the provider. `data.error` says why.",
  "job.canceled": "The job was canceled at the provider.",
  "job.expired": "The provider no longer knows the job, or says that it expired.",
  "job.timed_out": "The job had not ended by its deadline. Nothing more is heard of it.",
  "job.processing": "The provider began to work on the job. Only on request.",
  "job.progress": "The job's progress changed; `data.progress` has it. Only on request.",
};

const OPERATIONAL_EVENTS: Readonly<Record<OperationalEventType, string>> = {
  "delivery.exhausted": "A delivery has used up its attempts.",
  "callback_origin.failing": "A receiver's origin fails, and is tried only now and then.",
  "callback_origin.recovered": "It answers again, and what waited is being sent.",
  "connection.paused": "A connection was paused, for example because its credential was rejected.",
  "connection.resumed": "A paused connection polls again.",
  "provider.unknown_status":
    "A provider answered with a status word that its definition does not know.",
};

const EXAMPLE_AT = "2026-01-01T00:00:42.000Z";

function eventsPage(): string {
  const example = callbackBody(
    {
      type: "job.completed",
      occurredAtMs: Date.parse(EXAMPLE_AT),
      jobId: "abc123-def456",
      provider: "pulse",
      createdAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-01T00:00:41Z",
      error: null,
      result: '{"markdown":"# Invoice","page_count":3}',
      progress: null,
      resultFetch: null,
    },
    {
      subscriptionId: "sub_019b76da98007034a5b6c7d8e9f00112",
      metadata: '{"invoice":17}',
      fetchResult: false,
    },
    null,
  );
  const operational = operationalEventBody({
    type: "connection.paused",
    occurredAtMs: Date.parse(EXAMPLE_AT),
    occurrences: 1,
    data: '{"provider":"pulse","reason":"HTTP 401"}',
  });
  return [
    "# Events",
    "Every callback has a `type`, a `timestamp` and `data`. [Delivery](../delivery.md) describes headers, signatures and " +
      "retries.",
    "## Events of a job",
    "A subscription hears of the first five unless its `events` say otherwise. A job has exactly one of them.",
    markdownTable(
      ["Type", "Meaning"],
      EVENT_TYPES.map((type) => [`\`${type}\``, JOB_EVENTS[type]]),
    ),
    jsonBlock(example),
    "## Operational events",
    "Sent to the project's `operations_url` (`PATCH /v1/project`), at most one a minute for each subject. `occurrences` counts " +
      "what happened since the last one.",
    markdownTable(
      ["Type", "Meaning"],
      OPERATIONAL_EVENT_TYPES.map((type) => [`\`${type}\``, OPERATIONAL_EVENTS[type]]),
    ),
    jsonBlock(operational),
    "## The test event",
    "`POST /v1/callbacks/test` sends `ringback.test`, with the `data` of a completed job and a `message` that says it is a test.",
  ].join("\n\n");
}

function jsonBlock(json: string): string {
  return `\`\`\`json\n${JSON.stringify(JSON.parse(json), null, 2)}\n\`\`\``;
}

function metricsPage(text: string): string {
  const helps = [...text.matchAll(/^# HELP (ringback_\w+) (.*)\n# TYPE \w+ (\w+)$/gm)];
  const rows = helps
    .map(([, name = "", help = "", kind = ""]) => [`\`${name}\``, kind, help])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return [
    "# Metrics",
    "`GET /metrics` answers in Prometheus's text format. Beside these there are the metrics of the process itself " +
      "(`process_…`, `nodejs_…`). A value is that of the node that is scraped unless it says otherwise. " +
      "[Operations](../operations.md#metrics) says what to watch, and [alerts.yml](../alerts.yml) has rules to start from.",
    markdownTable(["Name", "Type", "Meaning"], rows),
  ].join("\n\n");
}

function listed(codes: readonly string[]): string {
  return codes.map((code) => `\`${code}\``).join(", ");
}
