import { afterAll, beforeAll, expect, test } from "vitest";
import {
  findPublicSigningKeys,
  findSigningSecrets,
} from "../../src/store/projects/signing-secrets.ts";
import { listApiKeys } from "../../src/store/projects/api-keys.ts";
import { listConsoleLinks } from "../../src/store/projects/console-links.ts";
import { listConnections } from "../../src/store/connections/manage-connections.ts";
import { listProviderVersions } from "../../src/store/connections/load-providers.ts";
import { findConsumers } from "../../src/store/inboxes/consumers.ts";
import { findInboxes } from "../../src/store/inboxes/find-inboxes.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectIndexed, type PlanCase } from "../support/plans.ts";

/*
 * Lists of what a project is set up with. Each reads about a page, by an index, however many the project
 * has and however many other projects have. The project's rows are the oldest of all, so that a walk from
 * the newest row of the table passes everything before it finds one.
 */

const ROWS = 20_000;
const OWN = 1_000;
const LIMIT = 20;
const PROJECT = "00000000-0000-7000-8000-000000000001";
const OTHER_PROJECT = "00000000-0000-7000-8000-000000000002";
const PAGE = { projectId: PROJECT, beforeId: null, limit: LIMIT } as const;
const NOW_MS = 1_767_225_600_000;

const TABLES = [
  "connections",
  "api_keys",
  "console_links",
  "inboxes",
  "inbox_consumers",
  "signing_secrets",
  "provider_versions",
  "deliveries",
];

let scene: TestDatabase & { readonly database: PooledDatabase };

beforeAll(async () => {
  scene = await openTestDatabase();
  const rows = `from generate_series(1, ${ROWS}) as n`;
  const id = "('019b76da-9800-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
  const project = `(case when n <= ${OWN} then '${PROJECT}' else '${OTHER_PROJECT}' end)::uuid`;
  const now = `to_timestamp(${NOW_MS} / 1000)`;
  const statements = [
    `insert into projects (id, name, created_at) values ('${PROJECT}', 'wanted', ${now})`,
    `insert into connections (id, project_id, provider, name, created_at, updated_at)
     select ${id}, ${project}, 'pulse', 'c-' || n, ${now}, ${now} ${rows}`,
    `insert into api_keys (id, project_id, name, key_hash, scopes, created_at)
     select ${id}, ${project}, 'k-' || n, n, '{admin}', ${now} ${rows}`,
    `insert into console_links (id, project_id, may_redeliver, key_id, created_at, expires_at)
     select ${id}, ${project}, false, ${id}, ${now}, ${now} ${rows}`,
    `insert into inboxes (project_id, name, id, last_position, created_at)
     select ${project}, 'inbox-' || n, ${id}, 100, ${now} ${rows}`,
    // Each has an unread message.
    `insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
       callback_origin, status, created_at, inbox_position)
     select n % 256, ${id}, ${project}, ${id}, ${id}, 'job.completed', 'inbox:inbox-' || n,
       'delivered', ${now}, 100 ${rows}`,
    // Half of the project's are of one inbox.
    `insert into inbox_consumers (project_id, inbox, name, id, created_at, active_at)
     select ${project}, case when n % 2 = 0 then 'inbox-1' else 'inbox-' || n end, 'worker-' || n, ${id},
       ${now}, ${now} ${rows}`,
    // All but the newest few have ended.
    `insert into signing_secrets (id, project_id, scheme, secret, public_key, created_at, expires_at)
     select ${id}, ${project}, case when n % 2 = 0 then 'v1a' else 'v1' end, 'sealed', 'whpk_',
       ${now}, case when n % ${OWN} > ${OWN - 6} then null else ${now} - interval '1 day' end ${rows}`,
    `insert into provider_versions (id, project_id, name, version, definition, created_at, updated_at)
     select ${id}, ${project}, 'ours', n, '{}', ${now}, ${now} ${rows}`,
    `analyze projects, ${TABLES.join(", ")}`,
  ];
  for (const statement of statements) {
    await scene.database.run("seed", (sql) => sql.unsafe(statement));
  }
}, 60_000);
afterAll(() => scene.drop());

test.each<PlanCase>([
  {
    what: "a page of connections",
    find: (database) => listConnections(database, PAGE),
    rowsMax: LIMIT + 1,
    index: "connections_by_project",
  },
  {
    what: "a page of API keys",
    find: (database) => listApiKeys(database, PAGE),
    rowsMax: LIMIT + 1,
    index: "api_keys_by_project",
  },
  {
    what: "a page of console links",
    find: (database) => listConsoleLinks(database, PAGE),
    rowsMax: LIMIT + 1,
    index: "console_links_by_project",
  },
  {
    what: "a page of inboxes, with what is unread in each",
    find: (database) => findInboxes(database, { ...PAGE, inlineResultBytesMax: 1_000 }),
    rowsMax: 2 * (LIMIT + 1),
    index: "inboxes_by_project",
  },
  {
    what: "a page of an inbox's consumers",
    find: (database) => findConsumers(database, { ...PAGE, name: "inbox-1", nowMs: NOW_MS }),
    // The inbox is found for each of them.
    rowsMax: 2 * (LIMIT + 1),
    index: "inbox_consumers_by_inbox",
  },
  {
    what: "the secrets that sign",
    find: (database) => findSigningSecrets(database, PROJECT, NOW_MS),
    rowsMax: 10,
    index: "signing_secrets_by_end",
  },
  {
    what: "the public keys that sign",
    find: (database) =>
      findPublicSigningKeys(database, { projectId: PROJECT, projectName: "wanted", nowMs: NOW_MS }),
    rowsMax: 20,
    index: "signing_secrets_by_end",
  },
  {
    what: "the versions of a provider",
    find: (database) => listProviderVersions(database, { projectId: PROJECT, name: "ours" }),
    rowsMax: 100,
    index: "provider_versions_by_name",
  },
])("$what is read by an index, whatever else there is", (of) =>
  expectIndexed(scene.database, of, TABLES),
);

test("finds what it is asked for, page by page", async () => {
  const { database } = scene;
  const newest = await findInboxes(database, { ...PAGE, inlineResultBytesMax: 1_000 });
  expect(newest.rows.map(({ name }) => name)).toEqual(
    Array.from({ length: LIMIT }, (_, index) => `inbox-${OWN - index}`),
  );
  const older = await findConsumers(database, {
    ...PAGE,
    name: "inbox-1",
    nowMs: NOW_MS,
    beforeId: "019b76da-9800-7000-8000-000000000004",
  });
  expect(older.rows.map(({ name }) => name)).toEqual(["worker-2", "worker-1"]);
  const signing = await findSigningSecrets(database, PROJECT, NOW_MS);
  expect(signing).toHaveLength(5);
});
