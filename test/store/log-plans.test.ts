import { afterAll, beforeAll, test } from "vitest";
import { listAuditEntries } from "../../src/store/projects/audit-log.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { findRedeliveries } from "../../src/store/deliveries/redeliveries.ts";
import { listOperationalEvents } from "../../src/store/events/operational-events.ts";
import { findIdempotencyKeys } from "../../src/store/subscriptions/find-idempotency-key.ts";
import { readMessages } from "../../src/store/inboxes/read-messages.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectIndexed, type PlanCase } from "../support/plans.ts";

/*
 * Lists of records, of an inbox's messages and of used keys: each reads a bounded number of rows, by an index.
 * test/store/list-plans.test.ts has the lists about jobs.
 */

const ROWS = 4_000;
const PROJECT = "00000000-0000-7000-8000-000000000001";
const OTHER_PROJECT = "00000000-0000-7000-8000-000000000002";
const PAGE = { projectId: PROJECT, beforeId: null, limit: 20 } as const;

let scene: TestDatabase & { readonly database: PooledDatabase };

beforeAll(async () => {
  scene = await openTestDatabase();
  const rows = `from generate_series(1, ${ROWS}) as n`;
  const id = "('019b76da-9800-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
  const project = `(case when n % 10 = 7 then '${PROJECT}' else '${OTHER_PROJECT}' end)::uuid`;
  const statements = [
    `insert into audit_log (id, project_id, action, subject) select ${id}, ${project}, 'key.created', n ${rows}`,
    `insert into operational_events (shard_id, project_id, subject, id, type, data, occurrences, occurred_at)
     select n % 256, ${project}, n, ${id}, 'delivery.exhausted', '{}', 1, now() ${rows}`,
    `insert into redeliveries (shard_id, id, project_id, state, is_dry_run, status, created_before,
       per_second, position_id, created_at)
     select n % 256, ${id}, ${project}, 'completed', false, 'exhausted', now(), 1, ${id}, now() ${rows}`,
    `insert into inboxes (project_id, name, id, last_position, created_at)
     values ('${PROJECT}', 'orders', '${PROJECT}', ${ROWS} * 100, now())`,
    `insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
       callback_origin, status, created_at, inbox_position)
     select n % 256, ${id}, '${PROJECT}', ${id}, ${id}, 'job.completed', 'inbox:orders', 'delivered',
       now(), n * 100 ${rows}`,
    `insert into idempotency_keys (shard_id, project_id, key, request_hash, subscription_id, created_at)
     select n % 256, ${project}, 'key-' || n, '', ${id}, now() ${rows}`,
    "analyze audit_log, operational_events, redeliveries, deliveries, inboxes, idempotency_keys",
  ];
  for (const statement of statements) {
    await scene.database.run("seed", (sql) => sql.unsafe(statement));
  }
}, 60_000);
afterAll(() => scene.drop());

const LARGE = ["audit_log", "operational_events", "redeliveries", "deliveries", "idempotency_keys"];

test.each<PlanCase>([
  {
    what: "a page of the audit log",
    find: (database) => listAuditEntries(database, PAGE),
    rowsMax: 25,
    index: "audit_log_by_project",
  },
  {
    what: "a page of operational events",
    find: (database) => listOperationalEvents(database, { ...PAGE, type: null }),
    rowsMax: 100,
    index: "operational_events_by_project",
  },
  {
    what: "a page of redeliveries",
    find: (database) => findRedeliveries(database, PAGE),
    rowsMax: 25,
    index: "redeliveries_by_project",
  },
  {
    what: "a page from the middle of an inbox",
    find: (database) =>
      readMessages(
        database,
        { projectId: PROJECT, name: "orders" },
        { afterPosition: ROWS * 50, limit: 20, bytesMax: 2 ** 20, inlineResultBytesMax: 1_000 },
      ),
    rowsMax: 200,
    index: "deliveries_by_inbox_position",
  },
  {
    what: "the use of a batch's idempotency keys",
    find: (database) =>
      findIdempotencyKeys(database, {
        projectId: PROJECT,
        keys: Array.from({ length: 100 }, (_, index) => `key-${index}`),
        nowMs: Date.now(),
      }),
    rowsMax: 300,
    index: "idempotency_keys_shard_id_project_id_key_pk",
  },
])("$what is read by an index, whatever else there is", (of) =>
  expectIndexed(scene.database, of, LARGE),
);
