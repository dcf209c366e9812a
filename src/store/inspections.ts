import { and, eq, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "./db/database.ts";
import { type InspectionKind, inspections } from "./schema/node-reports.ts";
import { bound, type Given, isAnyOf, statement } from "./sql/statement.ts";

/** A question to the owner of a shard. */
export interface InspectionRequest {
  readonly id: string;
  readonly shardId: number;
  readonly kind: InspectionKind;
  /** The job's row, or the project. */
  readonly subjectId: string;
}

const { id, shardId, kind, subjectId, askedAtMs, answer } = inspections;

const ASK = statement((orm, given: Given<InspectionRequest>) =>
  orm.insert(inspections).values({
    id: given.id,
    shardId: given.shardId,
    kind: given.kind,
    subjectId: given.subjectId,
  }),
);

/** Stores a question for the owner of its shard. */
export async function askInspection(database: Database, request: InspectionRequest): Promise<void> {
  await database.run("ask-inspection", (run) => ASK(run, { ...request }));
}

const FIND = statement((orm, given: Given<{ ids: readonly string[] }>) =>
  orm
    .select({ id, shardId, kind, subjectId })
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

const ANSWER = statement((orm, given: Given<{ id: string; answer: string }>) =>
  orm
    .update(inspections)
    .set({ answer: bound(answer, given.answer) })
    .where(eq(id, given.id)),
);

/** Answers a question; does nothing when it was given up. */
export async function answerInspection(
  database: Database,
  answered: { readonly id: string; readonly answer: string },
): Promise<void> {
  await database.run("answer-inspection", (run) => ANSWER(run, { ...answered }));
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
