import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { errorCode } from "../db/errors.ts";
import { idempotentAnswers } from "../schema/projects.ts";
import { type Given, statement } from "../sql/statement.ts";

const { id, projectId, operation, key, requestHash, answer, createdAtMs } = idempotentAnswers;

type StoredAnswer = Readonly<typeof idempotentAnswers.$inferSelect>;
export type AnswerKey = Pick<StoredAnswer, "projectId" | "operation" | "key">;
export type UsedAnswerKey = Pick<StoredAnswer, "id" | "requestHash" | "answer">;

/** Another request with the same key has been carried out for longer than a lock is waited for. */
export class KeyInUseError extends Error {
  override readonly name = "KeyInUseError";
}

const LOCK_NOT_AVAILABLE = "55P03";

const FIND = statement((orm, given: Given<AnswerKey>) =>
  orm
    .select({ id, requestHash, answer })
    .from(idempotentAnswers)
    .where(and(eq(projectId, given.projectId), eq(operation, given.operation), eq(key, given.key))),
);

/** The request that a key was used for, or null. */
export async function findAnswer(
  database: Database,
  used: AnswerKey,
): Promise<UsedAnswerKey | null> {
  const [row] = await database.run("find-idempotent-answer", (on) => FIND(on, used));
  return row ?? null;
}

const CLAIM = statement((orm, given: Given<AnswerKey & Pick<StoredAnswer, "id" | "requestHash">>) =>
  orm
    .insert(idempotentAnswers)
    .values({
      id: given.id,
      projectId: given.projectId,
      operation: given.operation,
      key: given.key,
      requestHash: given.requestHash,
    })
    .onConflictDoNothing({ target: [projectId, operation, key] })
    .returning({ id }),
);

/**
 * Takes a key for the rest of the transaction; false when it was used before. A transaction that has
 * taken it and is not over yet is waited for.
 * @throws {KeyInUseError} when that takes longer than a lock is waited for
 */
export async function claimKey(
  within: Database,
  claim: AnswerKey & Pick<StoredAnswer, "id" | "requestHash">,
): Promise<boolean> {
  try {
    const claimed = await within.run("claim-idempotency-key", (on) => CLAIM(on, claim));
    return claimed.length > 0;
  } catch (error) {
    if (errorCode(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw new KeyInUseError("Another request with the same key has not ended.", { cause: error });
  }
}

const STORE = statement((orm, given: Given<{ id: string; answer: string }>) =>
  orm
    .update(idempotentAnswers)
    .set({ answer: sql`${given.answer}` })
    .where(eq(id, given.id)),
);

/** @param sealed the answer to repeat */
export async function storeAnswer(within: Database, of: string, sealed: string): Promise<void> {
  await within.run("store-idempotent-answer", (on) => STORE(on, { id: of, answer: sealed }));
}

const WITHDRAW = statement((orm, given: Given<{ id: string }>) =>
  orm.delete(idempotentAnswers).where(eq(id, given.id)),
);

/** Gives a key back that nothing was created with. */
export async function withdrawClaim(within: Database, of: string): Promise<void> {
  await within.run("withdraw-idempotency-key", (on) => WITHDRAW(on, { id: of }));
}

const ROWS_PER_STATEMENT_MAX = 5_000;

const FORGET = statement((orm) => {
  const old = orm
    .select({ id })
    .from(idempotentAnswers)
    .where(lt(createdAtMs, sql`now() - interval '24 hours'`))
    .limit(ROWS_PER_STATEMENT_MAX);
  return orm.delete(idempotentAnswers).where(inArray(id, old));
});

/** Removes answers past their 24 h, a bounded number; returns how many. */
export async function forgetOldAnswers(database: Database): Promise<number> {
  const forgotten = await database.run("forget-idempotent-answers", (on) => FORGET(on, {}));
  return forgotten.count;
}
