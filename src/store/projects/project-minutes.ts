import { type SQL, sql } from "drizzle-orm";
import { COUNTED_FACTS, type MinuteCount, TOOK_BUCKETS } from "../../core/project-counts.ts";
import type { Database } from "../db/database.ts";
import { projectMinutes } from "../schema/projects.ts";
import { rowsOf } from "../sql/row-source.ts";
import { arrayLiteral, bound, excluded, type Given, nameOf, template } from "../sql/statement.ts";
import { epochMsOf, timeOf } from "../sql/time.ts";

/** How long minutes are kept, and how far back statistics go. */
const MINUTES_KEPT_MS = 24 * 3_600_000;

const { projectId, minuteMs, nodeId, took } = projectMinutes;
const FACTS = COUNTED_FACTS.map((fact) => projectMinutes[fact]);

const ROW = {
  projectId: "uuid",
  minuteMs: "float8",
  ...(Object.fromEntries(COUNTED_FACTS.map((fact) => [fact, "integer"])) as Record<
    (typeof COUNTED_FACTS)[number],
    "integer"
  >),
  took: "text",
} as const;

type Row = Readonly<Omit<typeof projectMinutes.$inferSelect, "nodeId" | "took">> & {
  /** An array's literal: rows of arrays can't be passed as one. */
  readonly took: string;
};

const listed = (parts: readonly SQL[]): SQL => sql.join([...parts], sql`, `);

// In the order of the key, so that two nodes can't wait for each other.
const PUT = template(
  (given: Given<{ nodeId: string; rows: readonly Row[] }>) => sql`
insert into ${projectMinutes} (
  ${listed([projectId, minuteMs, nodeId, ...FACTS, took].map(nameOf))}
)
select "projectId", ${timeOf(sql.raw('"minuteMs"'))}, ${given.nodeId}::uuid,
  ${listed(COUNTED_FACTS.map((fact) => sql.raw(`"${fact}"`)))}, took::integer[]
from ${rowsOf("row", ROW, given.rows)}
order by 1, 2
on conflict (${listed([projectId, minuteMs, nodeId].map(nameOf))}) do update set
  ${listed([...FACTS, took].map((column) => sql`${nameOf(column)} = ${excluded(column)}`))}
`,
);

/** Stores a node's counts; storing a minute again replaces it. */
export async function putProjectMinutes(
  database: Database,
  node: string,
  minutes: readonly {
    readonly projectId: string;
    readonly minuteMs: number;
    readonly count: Readonly<MinuteCount>;
  }[],
): Promise<void> {
  const rows = minutes.map(({ projectId, minuteMs, count }) => {
    const { took, ...facts } = count;
    return { projectId, minuteMs, ...facts, took: arrayLiteral(took) };
  });
  await database.run("put-project-minutes", (sql) => PUT(sql, { nodeId: node, rows }));
}

/** Counts of some minutes in a row. */
interface Step {
  /** Epoch milliseconds at which the first of them began. */
  readonly fromMs: number;
  readonly count: MinuteCount;
}

interface StepRow extends Readonly<Record<(typeof COUNTED_FACTS)[number], number>> {
  readonly fromMs: number;
  readonly took: string;
}

const sumOf = (column: SQL): SQL => sql`sum(${column})::float8`;
const TOOK_SUMS = Array.from({ length: TOOK_BUCKETS }, (_, bucket) =>
  sumOf(sql`${took}[${sql.raw(String(bucket + 1))}]`),
);

const FIND = template(
  (
    given: Given<{
      projectId: string;
      sinceMs: number;
      stepMs: number;
      nodeId: string;
      unstoredFromMs: number;
    }>,
  ) => sql<StepRow>`
select (floor(${epochMsOf(minuteMs)} / ${given.stepMs}::float8) * ${given.stepMs}::float8)::float8 as "fromMs",
  ${listed(COUNTED_FACTS.map((fact) => sql`${sumOf(sql`${projectMinutes[fact]}`)} as ${sql.identifier(fact)}`))},
  json_build_array(${listed(TOOK_SUMS)})::text as took
from ${projectMinutes}
where ${projectId} = ${bound(projectId, given.projectId)} and ${minuteMs} >= ${timeOf(given.sinceMs)}
  and not (${nodeId} = ${bound(nodeId, given.nodeId)} and ${minuteMs} >= ${timeOf(given.unstoredFromMs)})
group by 1
`,
);

/**
 * A project's counts of all nodes in steps of `stepMs`; steps without any are left out. This
 * node's minutes from `unstoredFromMs` on are left out too: it has them in memory.
 */
export async function findProjectMinutes(
  database: Database,
  query: {
    readonly projectId: string;
    readonly sinceMs: number;
    readonly stepMs: number;
    readonly nodeId: string;
    readonly unstoredFromMs: number;
  },
): Promise<Step[]> {
  const rows = await database.run("find-project-minutes", (sql) => FIND(sql, query));
  return rows.map(({ fromMs, took, ...facts }) => {
    return { fromMs, count: { ...facts, took: JSON.parse(took) as number[] } };
  });
}

const FORGOTTEN_AT_ONCE_MAX = 2000;

const FORGET = template(
  () => sql`
with old as (
  select ${projectId}, ${minuteMs}, ${nodeId} from ${projectMinutes}
  where ${minuteMs} < now() - ${sql.raw(`interval '${MINUTES_KEPT_MS} milliseconds'`)}
  limit ${FORGOTTEN_AT_ONCE_MAX}
)
delete from ${projectMinutes} using old
where ${projectId} = old.project_id and ${minuteMs} = old.minute and ${nodeId} = old.node_id
`,
);

/** Removes a bounded number of minutes that are older than a day; returns how many. */
export async function forgetProjectMinutes(database: Database): Promise<number> {
  const result = await database.run("forget-project-minutes", (sql) => FORGET(sql, {}));
  return result.count;
}
