import { and, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "./db/database.ts";
import { inspections } from "./schema/node-reports.ts";
import { rowsOf } from "./sql/row-source.ts";
import { type Given, isAnyOf, nameOf, statement, template } from "./sql/statement.ts";

/** A question to the owner of a shard. */
export type InspectionRequest = Readonly<
  Pick<typeof inspections.$inferSelect, "id" | "shardId" | "kind" | "subjectId" | "knownState">
>;

const { id, shardId, kind, subjectId, knownState, askedAtMs, answer } = inspections;

const QUESTION = {
  id: "uuid",
  shardId: "smallint",
  kind: "text",
  subjectId: "uuid",
  knownState: "text",
} as const;

const ASK = template(
  (given: Given<{ questions: readonly InspectionRequest[] }>) => sql`
insert into ${inspections}
  (${nameOf(id)}, ${nameOf(shardId)}, ${nameOf(kind)}, ${nameOf(subjectId)}, ${nameOf(knownState)})
select id, "shardId", kind, "subjectId", "knownState"
from ${rowsOf("question", QUESTION, given.questions)}
`,
);

/** Stores questions for the owners of their shards. */
export async function askInspections(
  database: Database,
  questions: readonly InspectionRequest[],
): Promise<void> {
  await database.run("ask-inspections", (run) => ASK(run, { questions }));
}

const FIND = statement((orm, given: Given<{ ids: readonly string[] }>) =>
  orm
    .select({ id, shardId, kind, subjectId, knownState })
    .from(inspections)
    .where(and(isAnyOf(id, given.ids), isNull(answer))),
);

/** Those of the questions that are not answered yet. */
export function findInspections(
  database: Database,
  ids: readonly string[],
): Promise<InspectionRequest[]> {
  return database.run("find-inspections", (run) => FIND(run, { ids }));
}

/** The answer to a question, as JSON. */
export interface InspectionAnswer {
  readonly id: string;
  readonly answer: string;
}

const ANSWER = template(
  (given: Given<{ answers: readonly Pick<InspectionAnswer, "id" | "answer">[] }>) => sql`
update ${inspections} set ${nameOf(answer)} = given.answer
from ${rowsOf("given", { id: "uuid", answer: "text" }, given.answers)}
where ${id} = given.id
`,
);

/** Answers questions; does nothing about those that were given up. */
export async function answerInspections(
  database: Database,
  answers: readonly InspectionAnswer[],
): Promise<void> {
  await database.run("answer-inspections", (run) => ANSWER(run, { answers }));
}

const TAKE = statement((orm, given: Given<{ ids: readonly string[] }>) =>
  orm
    .delete(inspections)
    .where(and(isAnyOf(id, given.ids), isNotNull(answer)))
    .returning({ id, answer }),
);

/** Takes the answers that have arrived. */
export function takeAnswers(
  database: Database,
  ids: readonly string[],
): Promise<{ readonly id: string; readonly answer: string | null }[]> {
  return database.run("take-inspection-answers", (run) => TAKE(run, { ids }));
}

const FORGET = statement((orm) =>
  orm.delete(inspections).where(lt(askedAtMs, sql`now() - interval '1 minute'`)),
);

/** Removes questions that were abandoned. */
export async function forgetInspections(database: Database): Promise<void> {
  await database.run("forget-inspections", (run) => FORGET(run, {}));
}
