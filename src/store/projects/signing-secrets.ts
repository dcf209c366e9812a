import type { SignatureScheme } from "../../core/signing/signature-scheme.ts";
import type { TransactionSql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { epochMs } from "../sql/epoch-ms.ts";

/** What callbacks are signed with: a secret of `v1`, or a key of `v1a`. Times in epoch milliseconds. */
export interface StoredSigningSecret {
  readonly id: string;
  readonly scheme: SignatureScheme;
  /** Sealed `whsec_…` or `whsk_…`. */
  readonly sealed: string;
  /** `whpk_…` of a `v1a` key. */
  readonly publicKey: string | null;
  readonly createdAtMs: number;
  /** Null for the current one; a replaced one signs along until then. */
  readonly expiresAtMs: number | null;
}

const COLUMNS = `
  id, scheme, secret as sealed, public_key as "publicKey",
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("expires_at")} as "expiresAtMs"`;

const FIND = `
select ${COLUMNS} from signing_secrets
where project_id = $1 and (expires_at is null or expires_at > to_timestamp($2::float8 / 1000))
order by scheme, expires_at desc nulls first, id desc limit 100
`;

/** What signs the project's callbacks now, by scheme, the current one of each first. */
export function findSigningSecrets(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredSigningSecret[]> {
  return database.run("find-signing-secrets", (sql) =>
    sql.unsafe<StoredSigningSecret[]>(FIND, [projectId, nowMs], { prepare: true }),
  );
}

/** The half of a `v1a` key that everybody may know. */
export interface PublicSigningKey {
  readonly id: string;
  /** `whpk_…` */
  readonly publicKey: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
}

const FIND_PUBLIC = `
select secret.id, public_key as "publicKey",
  ${epochMs("secret.created_at")} as "createdAtMs", ${epochMs("expires_at")} as "expiresAtMs",
  project.id is not null as "isKnown",
  (select ${epochMs("min(created_at)")} from projects) as "oldestProjectAtMs"
from (select 1) as always
left join projects as project on project.id = $1 or project.name = $2
left join signing_secrets as secret
  on secret.project_id = project.id and scheme = 'v1a'
  and (expires_at is null or expires_at > to_timestamp($3::float8 / 1000))
order by expires_at desc nulls first, secret.id desc limit 100
`;

interface PublicKeyRow extends Omit<PublicSigningKey, "id"> {
  /** Null for a project without keys. */
  readonly id: string | null;
  readonly isKnown: boolean;
  readonly oldestProjectAtMs: number;
}

export interface PublicSigningKeys {
  /** Those that sign the project's callbacks now, the current one first; null without the project. */
  readonly keys: readonly PublicSigningKey[] | null;
  /** When the first project was made, in epoch milliseconds. */
  readonly oldestProjectAtMs: number;
}

export async function findPublicSigningKeys(
  database: Database,
  query: {
    readonly projectId: string | null;
    readonly projectName: string;
    readonly nowMs: number;
  },
): Promise<PublicSigningKeys> {
  const { projectId, projectName, nowMs } = query;
  const rows = await database.run("find-public-signing-keys", (sql) =>
    sql.unsafe<PublicKeyRow[]>(FIND_PUBLIC, [projectId, projectName, nowMs], { prepare: true }),
  );
  const keys = rows.flatMap(({ id, publicKey, createdAtMs, expiresAtMs }) =>
    id === null ? [] : [{ id, publicKey, createdAtMs, expiresAtMs }],
  );
  const isKnown = rows.some((row) => row.isKnown);
  return { keys: isKnown ? keys : null, oldestProjectAtMs: rows[0]?.oldestProjectAtMs ?? 0 };
}

/** A secret that is to become the current one of its scheme. */
export interface NewSigningSecret {
  readonly id: string;
  readonly projectId: string;
  readonly scheme: SignatureScheme;
  readonly sealed: string;
  readonly publicKey: string | null;
  readonly fromEnvironment?: boolean;
  readonly nowMs: number;
}

// Whoever replaces a secret takes turns here: nodes that start together would each add one.
const LOCK_PROJECT = `update projects set name = name where id = $1`;

const CURRENT = `
select ${COLUMNS} from signing_secrets
where project_id = $1 and scheme = $2 and expires_at is null order by id desc
`;

const LAST_OF_ENVIRONMENT = `
select ${COLUMNS} from signing_secrets
where project_id = $1 and scheme = $2 and from_environment order by id desc limit 1
`;

// None that was there before signs for longer than the overlap from now on.
const REPLACE = `
with replaced as (
  update signing_secrets set
    expires_at = least(expires_at, to_timestamp(($6::float8 + $7::float8) / 1000))
  where project_id = $2 and scheme = $3
    and (expires_at is null or expires_at > to_timestamp($6::float8 / 1000))
)
insert into signing_secrets (
  id, project_id, scheme, secret, public_key, created_at, from_environment
)
values ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000), $8::text::boolean)
returning ${COLUMNS}
`;

async function replace(
  sql: TransactionSql,
  secret: NewSigningSecret,
  overlapMs: number,
): Promise<StoredSigningSecret> {
  const { id, projectId, scheme, sealed, publicKey, nowMs, fromEnvironment = false } = secret;
  const values = [
    id,
    projectId,
    scheme,
    sealed,
    publicKey,
    nowMs,
    overlapMs,
    String(fromEnvironment),
  ];
  const [stored] = await sql.unsafe<StoredSigningSecret[]>(REPLACE, values);
  if (stored === undefined) throw new Error("a signing secret was not stored");
  return stored;
}

/**
 * Makes sure that the project has a current secret of this scheme that `isWanted`: keeps the one it
 * has, or replaces it at once by the one given. What the environment already said before is no news:
 * a secret that was rotated since stays. Returns the sealed text of the current one.
 */
export function ensureSigningSecret(
  database: Database,
  secret: NewSigningSecret & { readonly isWanted: (stored: StoredSigningSecret) => boolean },
): Promise<string> {
  const key = [secret.projectId, secret.scheme];
  return database.transaction("ensure-signing-secret", async (sql) => {
    await sql.unsafe(LOCK_PROJECT, [secret.projectId]);
    const current = await sql.unsafe<StoredSigningSecret[]>(CURRENT, key);
    const saidBefore = await sql.unsafe<StoredSigningSecret[]>(LAST_OF_ENVIRONMENT, key);
    const isKnown = saidBefore.some((one) => secret.isWanted(one));
    const kept = isKnown ? current[0] : current.find((one) => secret.isWanted(one));
    return (kept ?? (await replace(sql, secret, 0))).sealed;
  });
}

export type RotateOutcome =
  | { readonly kind: "rotated"; readonly secret: StoredSigningSecret }
  /** So many sign already that callbacks would carry too many signatures. */
  | { readonly kind: "too_many"; readonly untilMs: number };

/** Each is a signature in every callback's header. */
export const SIGNING_AT_ONCE_MAX = 10;

const STILL_SIGNING = `
select round(date_part('epoch', expires_at) * 1000) as "expiresAtMs"
from signing_secrets
where project_id = $1 and scheme = $2 and expires_at > to_timestamp($3::float8 / 1000)
order by expires_at
`;

/**
 * Makes the secret given the current one of its scheme. Those before it sign along for the overlap,
 * so that receivers with either verify; with an overlap of 0 they are done with at once.
 */
export function rotateSigningSecret(
  database: Database,
  secret: NewSigningSecret,
  overlapMs: number,
): Promise<RotateOutcome> {
  const { projectId, scheme, nowMs } = secret;
  return database.transaction("rotate-signing-secret", async (sql) => {
    await sql.unsafe(LOCK_PROJECT, [projectId]);
    const replaced = await sql.unsafe<{ expiresAtMs: number }[]>(STILL_SIGNING, [
      projectId,
      scheme,
      nowMs,
    ]);
    const [first] = replaced;
    // The current one, which this replaces, and the new one come on top.
    if (overlapMs > 0 && first !== undefined && replaced.length + 2 > SIGNING_AT_ONCE_MAX) {
      return { kind: "too_many", untilMs: first.expiresAtMs };
    }
    return { kind: "rotated", secret: await replace(sql, secret, overlapMs) };
  });
}
