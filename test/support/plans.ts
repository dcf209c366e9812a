import { expect } from "vitest";
import type { Database, PooledDatabase } from "../../src/store/db/database.ts";
import type { Sql } from "../../src/store/connection/connection.ts";

/** A statement as it ran. */
export interface RanStatement {
  /** The name of its call. */
  readonly name: string;
  readonly text: string;
  readonly parameters: Parameters<Sql["unsafe"]>[1];
}

/** The plan of a statement that ran. */
export interface RunPlan {
  readonly text: string;
  /** Pages of tables and indexes that it looked at, in memory or on disk. */
  readonly buffers: number;
  /** Rows that its scans looked at, those thrown away by filters included. */
  readonly rowsRead: number;
  /** Tables that were read from end to end. */
  readonly readWhole: readonly string[];
  readonly indexes: readonly string[];
}

/** A node of a plan, as `explain` returns it. */
interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows"?: number;
  readonly "Actual Loops"?: number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Runs the work, then each of its statements once more to see how Postgres ran it. */
async function plansOf(
  database: PooledDatabase,
  work: (database: Database) => Promise<unknown>,
): Promise<RunPlan[]> {
  return database.run("plans", async (sql) => {
    const ran: RanStatement[] = [];
    await work({
      run: (name, statement) => statement(watched(sql, name, ran)),
      transaction: () => Promise.reject(new Error("Only single statements can be explained.")),
    });
    const plans: RunPlan[] = [];
    for (const one of ran) plans.push(await explain(sql, one));
    return plans;
  });
}

/** Adds the statements of all calls outside of transactions to the list from now on, as they run. */
export function watchStatements(database: PooledDatabase, ran: RanStatement[]): void {
  const run = database.run.bind(database);
  database.run = (name, work, options) =>
    run(name, (sql) => work(watched(sql, name, ran)), options);
}

function watched(sql: Sql, name: string, ran: RanStatement[]): Sql {
  return new Proxy(sql, {
    get(target, member) {
      const value: unknown = Reflect.get(target, member);
      if (member !== "unsafe") return value;
      return (...call: Parameters<Sql["unsafe"]>) => {
        ran.push({ name, text: call[0], parameters: call[1] });
        return target.unsafe(...call);
      };
    },
  });
}

/** Runs a statement once more to see how Postgres runs it. */
export async function explain(sql: Sql, { text, parameters }: RanStatement): Promise<RunPlan> {
  const [row] = await sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(
    `explain (analyze, buffers, costs off, timing off, format json) ${text}`,
    parameters,
  );
  const root = row?.["QUERY PLAN"][0].Plan;
  const nodes = root === undefined ? [] : [...walk(root)];
  return {
    text,
    buffers: (root?.["Shared Hit Blocks"] ?? 0) + (root?.["Shared Read Blocks"] ?? 0),
    rowsRead: nodes.reduce((rows, node) => rows + rowsOf(node), 0),
    readWhole: nodes.flatMap((node) =>
      node["Node Type"] === "Seq Scan" ? [node["Relation Name"] ?? ""] : [],
    ),
    indexes: nodes.flatMap((node) => node["Index Name"] ?? []),
  };
}

function* walk(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* walk(child);
}

function rowsOf(node: PlanNode): number {
  if (node["Relation Name"] === undefined) return 0;
  const each = (node["Actual Rows"] ?? 0) + (node["Rows Removed by Filter"] ?? 0);
  return Math.ceil(each * (node["Actual Loops"] ?? 1));
}

/** A read of the store, and how it has to find its rows. */
export interface PlanCase {
  readonly what: string;
  readonly find: (database: Database) => Promise<unknown>;
  /** Rows that all of its statements may read together. */
  readonly rowsMax: number;
  readonly index: string;
}

/** Fails unless the rows are found by the index, and none of the large tables is read as a whole. */
export async function expectIndexed(
  database: PooledDatabase,
  { find, rowsMax, index }: PlanCase,
  large: readonly string[],
): Promise<void> {
  const plans = await plansOf(database, find);
  expect(plans.flatMap(({ indexes }) => indexes)).toContain(index);
  const whole = plans.flatMap(({ readWhole }) => readWhole);
  expect(whole.filter((table) => large.includes(table))).toEqual([]);
  expect(plans.reduce((rows, { rowsRead }) => rows + rowsRead, 0)).toBeLessThanOrEqual(rowsMax);
}
