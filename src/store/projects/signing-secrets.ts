import {
  and,
  desc,
  eq,
  getTableColumns,
  gt,
  isNotNull,
  isNull,
  min,
  or,
  sql,
  type SQLWrapper,
} from "drizzle-orm";
import type { SignatureScheme } from "../../core/signing.ts";
import type { TransactionSql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { projects, signingSecrets } from "../schema/projects.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { LOCK_PROJECT } from "./manage-projects.ts";

const { projectId: _, secret: sealed, fromEnvironment, ...REST } = getTableColumns(signingSecrets);
const COLUMNS = { ...REST, sealed };

type Row = typeof signingSecrets.$inferSelect;

/** Signs callbacks: a secret of `v1`, or a key of `v1a`. */
export type StoredSigningSecret = Readonly<
  Omit<Row, "projectId" | "secret" | "fromEnvironment">
> & {
  /** Sealed `whsec_…` or `whsk_…`. */
  readonly sealed: string;
};

const { expiresAtMs, scheme } = signingSecrets;
const CURRENT_FIRST = sql`${expiresAtMs} desc nulls first`;
const signsAt = (nowMs: SQLWrapper) => or(isNull(expiresAtMs), gt(expiresAtMs, timeOf(nowMs)));

const FIND = statement((orm, given: Given<{ projectId: string; nowMs: number }>) =>
  orm
    .select(COLUMNS)
    .from(signingSecrets)
    .where(and(eq(signingSecrets.projectId, given.projectId), signsAt(given.nowMs)))
    .orderBy(scheme, CURRENT_FIRST, desc(signingSecrets.id))
    .limit(100),
);

/**
 * The secrets that sign the project's callbacks now, by scheme, with the current one of each first.
 */
export function findSigningSecrets(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredSigningSecret[]> {
  return database.run("find-signing-secrets", (sql) => FIND(sql, { projectId, nowMs }));
}

/** The public half of a `v1a` key. */
export interface PublicSigningKey {
  readonly id: string;
  /** `whpk_…` */
  readonly publicKey: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
}

const FIND_PUBLIC = statement(
  (orm, given: Given<{ projectId: string | null; projectName: string; nowMs: number }>) => {
    const oldest = orm
      .select({ createdAtMs: min(projects.createdAtMs).as("oldest_created_at") })
      .from(projects)
      .as("oldest");
    // With a limit, it is looked up for the project alone, and not among the keys of all.
    const key = orm
      .select()
      .from(signingSecrets)
      .where(
        and(eq(signingSecrets.projectId, projects.id), eq(scheme, "v1a"), signsAt(given.nowMs)),
      )
      .orderBy(CURRENT_FIRST, desc(signingSecrets.id))
      .limit(100)
      .as("key");
    return orm
      .select({
        id: key.id,
        publicKey: key.publicKey,
        createdAtMs: key.createdAtMs,
        expiresAtMs: key.expiresAtMs,
        isKnown: sql<boolean>`${isNotNull(projects.id)}`,
        oldestProjectAtMs: oldest.createdAtMs,
      })
      .from(oldest)
      .leftJoin(
        projects,
        or(eq(projects.id, given.projectId), eq(projects.name, given.projectName)),
      )
      .leftJoinLateral(key, sql`true`)
      .orderBy(sql`${key.expiresAtMs} desc nulls first`, desc(key.id));
  },
);

export async function findPublicSigningKeys(
  database: Database,
  query: {
    readonly projectId: string | null;
    readonly projectName: string;
    readonly nowMs: number;
  },
): Promise<{
  /**
   * The keys that sign the project's callbacks now, current one first; null without the project.
   */
  readonly keys: readonly PublicSigningKey[] | null;
  /** When the first project was created, in epoch milliseconds. */
  readonly oldestProjectAtMs: number;
}> {
  const rows = await database.run("find-public-signing-keys", (sql) => FIND_PUBLIC(sql, query));
  const keys = rows.flatMap(({ id, publicKey, createdAtMs, expiresAtMs }) =>
    id === null || publicKey === null || createdAtMs === null
      ? []
      : [{ id, publicKey, createdAtMs, expiresAtMs }],
  );
  const isKnown = rows.some((row) => row.isKnown);
  return { keys: isKnown ? keys : null, oldestProjectAtMs: rows[0]?.oldestProjectAtMs ?? 0 };
}

/** A secret that will become the current one of its scheme. */
interface NewSigningSecret {
  readonly id: string;
  readonly projectId: string;
  readonly scheme: SignatureScheme;
  readonly sealed: string;
  readonly publicKey: string | null;
  readonly fromEnvironment?: boolean;
  readonly nowMs: number;
}

const OF_SCHEME = (given: Given<{ projectId: string; scheme: SignatureScheme }>) =>
  and(eq(signingSecrets.projectId, given.projectId), eq(scheme, given.scheme));

const CURRENT = statement((orm, given: Given<{ projectId: string; scheme: SignatureScheme }>) =>
  orm
    .select(COLUMNS)
    .from(signingSecrets)
    .where(and(OF_SCHEME(given), isNull(expiresAtMs)))
    .orderBy(desc(signingSecrets.id)),
);

const LAST_OF_ENVIRONMENT = statement(
  (orm, given: Given<{ projectId: string; scheme: SignatureScheme }>) =>
    orm
      .select(COLUMNS)
      .from(signingSecrets)
      .where(and(OF_SCHEME(given), fromEnvironment))
      .orderBy(desc(signingSecrets.id))
      .limit(1),
);

// Limits how long earlier secrets keep signing to the overlap from now.
const CURTAIL = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      scheme: SignatureScheme;
      nowMs: number;
      untilMs: number;
    }>,
  ) =>
    orm
      .update(signingSecrets)
      .set({ expiresAtMs: sql`least(${expiresAtMs}, ${timeOf(given.untilMs)})` })
      .where(and(OF_SCHEME(given), signsAt(given.nowMs))),
);

const ADD = statement((orm, given: Given<Required<NewSigningSecret>>) =>
  orm
    .insert(signingSecrets)
    .values({
      id: given.id,
      projectId: given.projectId,
      scheme: given.scheme,
      secret: given.sealed,
      publicKey: given.publicKey,
      createdAtMs: given.nowMs,
      fromEnvironment: given.fromEnvironment,
    })
    .returning(COLUMNS),
);

async function replace(
  sql: TransactionSql,
  secret: NewSigningSecret,
  overlapMs: number,
): Promise<StoredSigningSecret> {
  const { fromEnvironment = false, nowMs } = secret;
  await CURTAIL(sql, { ...secret, untilMs: nowMs + overlapMs });
  const [stored] = await ADD(sql, { ...secret, fromEnvironment });
  if (stored === undefined) throw new Error("a signing secret was not stored");
  return stored;
}

/**
 * Ensures that the project has a current secret of this scheme that `isWanted`: keeps the existing
 * one, or replaces it at once by the given one. A value that the environment had before is not
 * applied again, so a secret that was rotated since is kept. Returns the sealed text of the current
 * one.
 */
export function ensureSigningSecret(
  database: Database,
  secret: NewSigningSecret & { readonly isWanted: (stored: StoredSigningSecret) => boolean },
): Promise<string> {
  return database.transaction("ensure-signing-secret", async (sql) => {
    await LOCK_PROJECT(sql, secret);
    const current = await CURRENT(sql, secret);
    const previous = await LAST_OF_ENVIRONMENT(sql, secret);
    const isKnown = previous.some((one) => secret.isWanted(one));
    const kept = isKnown ? current[0] : current.find((one) => secret.isWanted(one));
    return (kept ?? (await replace(sql, secret, 0))).sealed;
  });
}

type RotateOutcome =
  | { readonly kind: "rotated"; readonly secret: StoredSigningSecret }
  /** So many already sign that callbacks would carry too many signatures. */
  | { readonly kind: "too_many"; readonly untilMs: number };

/** Each is a signature in every callback's header. */
export const SIGNING_AT_ONCE_MAX = 10;

const STILL_SIGNING = statement(
  (orm, given: Given<{ projectId: string; scheme: SignatureScheme; nowMs: number }>) =>
    orm
      .select({ expiresAtMs: sql<number>`${expiresAtMs}`.mapWith(expiresAtMs) })
      .from(signingSecrets)
      .where(and(OF_SCHEME(given), gt(expiresAtMs, timeOf(given.nowMs))))
      .orderBy(expiresAtMs),
);

/**
 * Makes the given secret the current one of its scheme. Earlier ones continue to sign for the
 * overlap, so that receivers with either secret verify; an overlap of 0 ends them at once.
 */
export function rotateSigningSecret(
  database: Database,
  secret: NewSigningSecret,
  overlapMs: number,
): Promise<RotateOutcome> {
  return database.transaction("rotate-signing-secret", async (sql) => {
    await LOCK_PROJECT(sql, secret);
    const replaced = await STILL_SIGNING(sql, secret);
    const [first] = replaced;
    // The current one, which becomes an earlier one, and the new one are added.
    if (overlapMs > 0 && first !== undefined && replaced.length + 2 > SIGNING_AT_ONCE_MAX) {
      return { kind: "too_many", untilMs: first.expiresAtMs };
    }
    return { kind: "rotated", secret: await replace(sql, secret, overlapMs) };
  });
}
