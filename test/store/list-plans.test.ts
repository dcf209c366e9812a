import { afterAll, beforeAll, expect, test } from "vitest";
import { shardOfJob } from "../../src/core/ids/ids.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { findCallbackOrigins } from "../../src/store/deliveries/callback-origins.ts";
import { EVERY_DELIVERY, findDeliveries } from "../../src/store/deliveries/find-deliveries.ts";
import { findSubscriptions } from "../../src/store/subscriptions/find-subscriptions.ts";
import { findSubscriptionsById } from "../../src/store/subscriptions/subscription-record.ts";
import { findEvents, findNewestEvents } from "../../src/store/events/list-events.ts";
import { findJobs } from "../../src/store/jobs/find-jobs.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectIndexed, type PlanCase } from "../support/plans.ts";

/*
 * Lists over many rows: a page reads a bounded number of them, by an index. The tests fix how
 * many rows are read, which is the same for twenty thousand jobs and for a million.
 */

const JOBS = 20_000;
const ORIGINS = 40;
const SCANNED_MAX = 5_000;
const PROJECT = "00000000-0000-7000-8000-000000000001";
const OTHER_PROJECT = "00000000-0000-7000-8000-000000000002";
const CONNECTION = "00000000-0000-7000-8000-000000000003";
const WANTED_JOB = "job-7";
const BASE_MS = 1_767_225_600_000;

let scene: TestDatabase & { readonly database: PooledDatabase };

const WANTED_SHARD = shardOfJob(CONNECTION, WANTED_JOB);
/** In SQL: the shard of row `n`. */
const SHARD = `case when n = 7 then ${WANTED_SHARD} else n % 256 end`;

/** In SQL: the id of row `n`, later ones behind earlier ones. */
const idOf = (kind: number): string =>
  `(substr(lpad(to_hex(${BASE_MS} + n), 12, '0'), 1, 8) || '-' ||
    substr(lpad(to_hex(${BASE_MS} + n), 12, '0'), 9, 4) || '-70' || lpad(to_hex(${SHARD}), 2, '0') ||
    '-8${kind}00-' || lpad(to_hex(n), 12, '0'))::uuid`;

beforeAll(async () => {
  scene = await openTestDatabase();
  const rows = `from generate_series(1, ${JOBS}) as n`;
  // One in ten is of the project, the others of another; one in three is owed.
  const project = `(case when n % 10 = 7 then '${PROJECT}' else '${OTHER_PROJECT}' end)::uuid`;
  const statements = [
    `insert into connections (id, project_id, provider, name, created_at, updated_at)
     values ('${CONNECTION}', '${PROJECT}', 'pulse', 'default', now(), now())`,
    `insert into jobs (shard_id, id, project_id, connection_id, provider, job_id, status,
       accepted_at, deadline_at, wanted_events, subscription_count, ended_at, last_event_id)
     select ${SHARD}, ${idOf(1)}, ${project}, '${CONNECTION}', 'pulse', 'job-' || n,
       case when n % 3 = 1 then 'completed' else 'pending' end, now(), now(), 31, 1,
       case when n % 3 = 1 then now() end, case when n % 3 = 1 then ${idOf(3)} end ${rows}`,
    `insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
       callback_origin, events, payload, metadata, created_at)
     select ${SHARD}, ${idOf(2)}, ${project}, ${idOf(1)}, 'https://a.example.com/', 'https://a.example.com',
       31, 'full', '{}', now() ${rows}`,
    `insert into events (shard_id, id, project_id, job_row_id, provider, job_id, type, occurred_at)
     select ${SHARD}, ${idOf(3)}, ${project}, ${idOf(1)}, 'pulse', 'job-' || n, 'job.completed', now()
     ${rows} where n % 3 = 1`,
    `insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
       callback_origin, status, next_attempt_at, created_at)
     select ${SHARD}, ${idOf(4)}, ${project}, ${idOf(2)}, ${idOf(3)}, 'job.completed',
       'https://' || n % ${ORIGINS} || '.example.com', 'pending', now(), now() ${rows} where n % 3 = 1`,
    `insert into attempts (shard_id, delivery_id, number, started_at, duration_ms, error_code)
     select ${SHARD}, ${idOf(4)}, 1, now(), 1, 'server_error_answer' ${rows} where n % 3 = 1`,
    "update deliveries set attempt_count = 1",
    "analyze jobs, subscriptions, events, deliveries, attempts, connections",
  ];
  for (const statement of statements) {
    await scene.database.run("seed", (sql) => sql.unsafe(statement));
  }
}, 60_000);
afterAll(() => scene.drop());

const EVERY_JOB = {
  projectId: PROJECT,
  beforeId: null,
  limit: 20,
  status: null,
  jobId: null,
  provider: null,
  connection: null,
  createdAfterMs: null,
  isLive: false,
  nearDeadlineAtMs: null,
} as const;
const EVERY_EVENT = {
  projectId: PROJECT,
  beforeId: null,
  limit: 20,
  type: null,
  jobRowId: null,
  createdAfterMs: null,
  createdBeforeMs: null,
} as const;
const EVERY_SUBSCRIPTION = {
  projectId: PROJECT,
  beforeId: null,
  limit: 20,
  statuses: [],
  jobId: null,
  provider: null,
  connection: null,
  callbackOrigin: null,
  metadata: null,
  createdAfterMs: null,
} as const;
const EVERY_DELIVERY_OF_PROJECT = {
  ...EVERY_DELIVERY,
  projectId: PROJECT,
  beforeId: null,
  limit: 20,
} as const;
/** Row 7, as the SQL above makes it. */
const WANTED_ROW = rowId(1, 7, WANTED_SHARD);
/** Rows of the project. */
const MADE_BEFORE = Array.from({ length: 500 }, (_, index) => {
  const n = 17 + 10 * index;
  return rowId(2, n, n % 256);
});

const LARGE = ["jobs", "subscriptions", "events", "deliveries", "attempts"];

test.each<PlanCase>([
  {
    what: "a page of jobs",
    find: (database) => findJobs(database, EVERY_JOB),
    rowsMax: 500,
    index: "subscriptions_by_project",
  },
  {
    what: "a filtered page of jobs",
    find: (database) => findJobs(database, { ...EVERY_JOB, provider: "none" }),
    rowsMax: 4 * SCANNED_MAX,
    index: "subscriptions_by_project",
  },
  {
    what: "jobs that failed",
    find: (database) => findJobs(database, { ...EVERY_JOB, status: "failed" }),
    rowsMax: 20,
    index: "jobs_not_completed",
  },
  {
    what: "jobs that run, among more live ones than are read",
    find: (database) => findJobs(database, { ...EVERY_JOB, status: "processing" }),
    rowsMax: 4 * SCANNED_MAX,
    index: "jobs_live",
  },
  {
    what: "the jobs of a provider's id",
    find: (database) => findJobs(database, { ...EVERY_JOB, jobId: WANTED_JOB }),
    rowsMax: 20,
    index: "jobs_by_upstream_id",
  },
  {
    what: "a page of events",
    find: (database) => findEvents(database, EVERY_EVENT),
    rowsMax: 100,
    index: "events_by_project",
  },
  {
    what: "a filtered page of events",
    find: (database) => findEvents(database, { ...EVERY_EVENT, type: "job.failed" }),
    rowsMax: 2 * SCANNED_MAX,
    index: "events_by_project",
  },
  {
    what: "the newest event of each project that is waited for",
    find: (database) => findNewestEvents(database, [PROJECT, OTHER_PROJECT]),
    rowsMax: 10,
    index: "events_by_project",
  },
  {
    what: "the events of a job",
    find: (database) => findEvents(database, { ...EVERY_EVENT, jobRowId: WANTED_ROW }),
    rowsMax: 20,
    index: "deliveries_by_subscription",
  },
  {
    what: "a page of deliveries",
    find: (database) => findDeliveries(database, EVERY_DELIVERY_OF_PROJECT),
    rowsMax: 100,
    index: "deliveries_by_project",
  },
  {
    what: "a filtered page of deliveries",
    find: (database) =>
      findDeliveries(database, {
        ...EVERY_DELIVERY_OF_PROJECT,
        eventType: "job.failed",
        createdBeforeMs: BASE_MS + JOBS,
      }),
    rowsMax: 2 * SCANNED_MAX,
    index: "deliveries_by_project",
  },
  {
    what: "deliveries that were given up",
    find: (database) =>
      findDeliveries(database, { ...EVERY_DELIVERY_OF_PROJECT, status: "exhausted" }),
    rowsMax: 20,
    index: "deliveries_given_up",
  },
  {
    what: "pending deliveries",
    find: (database) =>
      findDeliveries(database, { ...EVERY_DELIVERY_OF_PROJECT, status: "pending" }),
    rowsMax: 2 * SCANNED_MAX,
    index: "deliveries_due_by_origin",
  },
  {
    what: "deliveries that failed for a reason",
    find: (database) =>
      findDeliveries(database, { ...EVERY_DELIVERY_OF_PROJECT, errorCode: "gone" }),
    rowsMax: 3 * SCANNED_MAX,
    index: "attempts_shard_id_delivery_id_number_pk",
  },
  {
    what: "the deliveries of a subscription",
    find: (database) =>
      findDeliveries(database, {
        ...EVERY_DELIVERY_OF_PROJECT,
        subscriptionId: WANTED_ROW,
      }),
    rowsMax: 20,
    index: "deliveries_by_subscription",
  },
  {
    what: "the deliveries of a provider's job id",
    find: (database) =>
      findDeliveries(database, { ...EVERY_DELIVERY_OF_PROJECT, jobId: WANTED_JOB }),
    rowsMax: 30,
    index: "deliveries_by_subscription",
  },
  {
    what: "a page of subscriptions",
    find: (database) => findSubscriptions(database, EVERY_SUBSCRIPTION),
    rowsMax: 200,
    index: "subscriptions_by_project",
  },
  {
    what: "a filtered page of subscriptions",
    find: (database) =>
      findSubscriptions(database, {
        ...EVERY_SUBSCRIPTION,
        statuses: ["exhausted", "gone"],
        metadata: { key: "invoice", value: "17" },
        callbackOrigin: "https://none.example.com",
      }),
    rowsMax: 4 * SCANNED_MAX,
    index: "subscriptions_by_project",
  },
  {
    what: "subscriptions whose delivery was given up",
    find: (database) =>
      findSubscriptions(database, { ...EVERY_SUBSCRIPTION, statuses: ["exhausted"] }),
    rowsMax: 20,
    index: "deliveries_given_up",
  },
  {
    what: "the subscriptions to a provider's job id",
    find: (database) => findSubscriptions(database, { ...EVERY_SUBSCRIPTION, jobId: WANTED_JOB }),
    rowsMax: 30,
    index: "jobs_by_upstream_id",
  },
  {
    what: "the subscriptions that a batch made before",
    find: (database) => findSubscriptionsById(database, { projectId: PROJECT, ids: MADE_BEFORE }),
    // A third of their jobs have ended, with a delivery each.
    rowsMax: 3 * MADE_BEFORE.length,
    index: "jobs_shard_id_id_pk",
  },
  {
    what: "a page of callback origins",
    find: (database) =>
      findCallbackOrigins(database, {
        projectId: PROJECT,
        after: null,
        limit: 3,
        isTroubled: false,
      }),
    // Three pages of one origin's pending deliveries, and those that are looked at for failures.
    rowsMax: 3 * (JOBS / 30 / 2 + 25) + 20,
    index: "deliveries_due_by_origin",
  },
])("$what is read by an index, whatever else there is", (of) =>
  expectIndexed(scene.database, of, LARGE),
);

test("finds what it is asked for", async () => {
  const { database } = scene;
  const jobs = await findJobs(database, EVERY_JOB);
  expect(jobs.rows).toHaveLength(20);
  expect(jobs.rows.every(({ projectId }) => projectId === PROJECT)).toBe(true);
  const [wanted] = (await findJobs(database, { ...EVERY_JOB, jobId: WANTED_JOB })).rows;
  expect(wanted?.id).toBe(WANTED_ROW);
  const ofJob = { ...EVERY_EVENT, jobRowId: WANTED_ROW };
  expect((await findEvents(database, ofJob)).rows).toMatchObject([{ jobId: WANTED_JOB }]);
  const origins = await findCallbackOrigins(database, {
    projectId: PROJECT,
    after: null,
    limit: 50,
    isTroubled: false,
  });
  expect(origins.map(({ origin }) => origin)).toEqual(
    origins.map(({ origin }) => origin).toSorted(),
  );
  expect(origins.length).toBeGreaterThan(3);
  const byId = await findSubscriptionsById(database, { projectId: PROJECT, ids: MADE_BEFORE });
  expect(byId.size).toBe(MADE_BEFORE.length);
});

/** The id that `idOf` makes in SQL. */
function rowId(kind: number, n: number, shard: number): string {
  const time = (BASE_MS + n).toString(16).padStart(12, "0");
  const [shardHex, rest] = [shard.toString(16).padStart(2, "0"), n.toString(16).padStart(12, "0")];
  return `${time.slice(0, 8)}-${time.slice(8)}-70${shardHex}-8${kind}00-${rest}`;
}
