import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { explain, type RanStatement, watchStatements } from "../support/plans.ts";
import { seedDeliveries } from "../support/seeded-deliveries.ts";
import { type Browser, ConsoleFixture, ROUTES } from "./console-fixture.ts";

/*
 * Pages of the console are read again every few seconds by each viewer, so no statement behind them may grow
 * with the tables. The small tables are larger than every limit on the rows that one statement reads; each
 * page must cost the same with tables of twice their size.
 */

const SMALL = 5500;
const LARGE = 2 * SMALL;
/** Few enough for one statement on a slow disk. */
const AT_ONCE = 2750;
const FEW = 3;
/** Indexes become deeper, and samples differ. */
const ROWS_GROWTH_MAX = 1.05;
const PAGES_GROWTH_MAX = 1.25;
const PAGES_MORE_MAX = 25;
const ORIGIN = "https://app.example.com";
const START_MS = Date.UTC(2025, 0, 1);

let fixture: ConsoleFixture;
let browser: Browser;
let sql: postgres.Sql;
let seeded = 0;
const ran: RanStatement[] = [];

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  sql = postgres(fixture.api.databaseUrl, { max: 1, onnotice: () => {} });
  browser = await fixture.signedIn();
  watchStatements(fixture.api.database, ran);
});
afterAll(async () => {
  await sql?.end();
  await fixture?.close();
});

/** Newer ones than all before. */
async function seed(count: number, status: string): Promise<void> {
  for (let left = count; left > 0; left -= AT_ONCE) {
    const part = Math.min(left, AT_ONCE);
    const fromMs = START_MS + seeded;
    const where = { projectId: fixture.api.projectId, origins: [ORIGIN] };
    await seedDeliveries(sql, { ...where, status, fromMs, count: part, attempts: 1 });
    seeded += part;
  }
}

/** Ends the newest jobs in another way, or not yet. */
async function changeJobs(count: number, status: string): Promise<void> {
  await sql`
    update jobs set status = ${status}, deadline_at = '2024-01-01', accepted_at = '2023-01-01',
      ended_at = case when ${status} = 'processing' then null else ended_at end
    where id in (select id from jobs order by id desc limit ${count})`;
}

async function rowsOf(path: string): Promise<number> {
  const page = await browser.open(`/console/${path}`);
  return page.match(/data-row/g)?.length ?? 0;
}

test("a few that need attention are found behind thousands of newer ones, and counted", async () => {
  await seed(FEW, "exhausted");
  await changeJobs(FEW, "failed");
  await seed(FEW, "pending");
  await changeJobs(FEW, "processing");
  await seed(SMALL, "delivered");
  await sql`vacuum analyze`;
  for (const path of [
    "deliveries?status=exhausted",
    "deliveries?status=pending",
    "subscriptions?status=exhausted",
    "jobs?status=failed",
    "jobs?status=processing",
    "jobs?status=live",
    "jobs?deadline=near",
  ]) {
    expect(await rowsOf(path), path).toBe(FEW);
  }
  const overview = await browser.open("/console/overview");
  expect(overview).toContain(`<strong>${FEW} deliveries</strong> given up`);
});

/** Every page without an id, every filter, and a page of one job. */
async function paths(): Promise<string[]> {
  const [job] = await sql<{ id: string }[]>`select id from jobs order by id desc limit 1`;
  const pages = ROUTES.filter(({ method, path }) => method === "GET" && !path.includes(":"));
  return [
    ...pages.map(({ path }) => path.slice(1)).filter((path) => path !== ""),
    `jobs/job_${job?.id.replaceAll("-", "")}`,
    ...[
      "status=failed",
      "status=completed",
      "status=processing",
      "status=live",
      "deadline=near",
    ].map((filter) => `jobs?${filter}`),
    ...["provider=none", "connection=none", "period=1h", "q=none"].map((one) => `jobs?${one}`),
    ...["status=exhausted", "status=gone", "metadata=a%3D1", "job=none", "period=1h"].map(
      (filter) => `subscriptions?${filter}`,
    ),
    "subscriptions?origin=https://none.example.com",
    ...["exhausted", "gone", "pending", "delivered", "canceled"].map(
      (status) => `deliveries?status=${status}`,
    ),
    ...["event=job.failed", "error=timeout", "job=none", "period=1h"].map(
      (filter) => `deliveries?${filter}`,
    ),
    "deliveries?origin=https://none.example.com",
    "events?type=job.failed",
  ];
}

interface Cost {
  rows: number;
  pages: number;
}

/** The cost of each statement of each page. */
async function measure(which: readonly string[]): Promise<Map<string, Cost>> {
  await sql`vacuum analyze`;
  const costs = new Map<string, Cost>();
  for (const path of which) {
    ran.length = 0;
    await browser.get(`/console/${path}`);
    for (const one of ran.splice(0)) {
      // Counts are taken once for all viewers, of a sample; they have a test of their own.
      if (one.name === "count-project-stats") continue;
      const plan = await fixture.api.database.run("explain", (on) => explain(on, one));
      const name = `${path}: ${one.name}`;
      const cost = costs.get(name) ?? { rows: 0, pages: 0 };
      costs.set(name, { rows: cost.rows + plan.rowsRead, pages: cost.pages + plan.buffers });
    }
  }
  return costs;
}

test("no page, and no list with any filter, has a statement that grows with the tables", async () => {
  await seed(SMALL, "pending");
  await changeJobs(SMALL, "processing");
  const which = await paths();
  const small = await measure(which);
  await seed(LARGE - SMALL, "delivered");
  await seed(LARGE - SMALL, "pending");
  await changeJobs(LARGE - SMALL, "processing");
  const large = await measure(which);
  expect(small.size).toBeGreaterThan(which.length);
  const grown: unknown[] = [];
  for (const [name, { rows, pages }] of large) {
    const before = small.get(name) ?? { rows: 0, pages: 0 };
    const isMore =
      rows > before.rows * ROWS_GROWTH_MAX + FEW ||
      pages > before.pages * PAGES_GROWTH_MAX + PAGES_MORE_MAX;
    if (isMore) grown.push({ name, before, after: { rows, pages } });
  }
  expect(grown).toEqual([]);
});
