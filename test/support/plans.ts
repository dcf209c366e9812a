import type { Database, PooledDatabase } from "../../src/store/db/database.ts";
import type { Sql } from "../../src/store/connection/connection.ts";

/** The plan of a statement that ran. */
export interface RunPlan {
  readonly text: string;
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
  readonly Plans?: readonly PlanNode[];
}

/** Runs the work, then each of its statements once more to see how Postgres ran it. */
export async function plansOf(
  database: PooledDatabase,
  work: (database: Database) => Promise<unknown>,
): Promise<RunPlan[]> {
  return database.run("plans", async (sql) => {
    const ran: { text: string; parameters: Parameters<Sql["unsafe"]>[1] }[] = [];
    const watched = new Proxy(sql, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (name !== "unsafe") return member;
        return (...call: Parameters<Sql["unsafe"]>) => {
          ran.push({ text: call[0], parameters: call[1] });
          return target.unsafe(...call);
        };
      },
    });
    await work({
      run: (_name, statement) => statement(watched),
      transaction: () => Promise.reject(new Error("Only single statements can be explained.")),
    });
    const plans: RunPlan[] = [];
    for (const { text, parameters } of ran) {
      const explain = `explain (analyze, costs off, timing off, format json) ${text}`;
      const [row] = await sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(explain, parameters);
      const nodes = row === undefined ? [] : [...walk(row["QUERY PLAN"][0].Plan)];
      plans.push({
        text,
        rowsRead: nodes.reduce((rows, node) => rows + rowsOf(node), 0),
        readWhole: nodes.flatMap((node) =>
          node["Node Type"] === "Seq Scan" ? [node["Relation Name"] ?? ""] : [],
        ),
        indexes: nodes.flatMap((node) => node["Index Name"] ?? []),
      });
    }
    return plans;
  });
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
