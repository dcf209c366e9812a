import type { Database } from "./database.ts";

/** A sealed signing secret. Times in epoch milliseconds. */
export interface StoredSigningSecret {
  readonly id: string;
  /** Sealed `whsec_…`. */
  readonly sealed: string;
  readonly createdAtMs: number;
  /** Null for the current one; a replaced one signs along until then. */
  readonly expiresAtMs: number | null;
}

const COLUMNS = `
  id, secret as sealed, (extract(epoch from created_at) * 1000)::float8 as "createdAtMs",
  (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs"`;

const FIND = `
select ${COLUMNS} from signing_secrets
where project_id = $1 and (expires_at is null or expires_at > to_timestamp($2::float8 / 1000))
order by expires_at desc nulls first, id desc limit 100
`;

/** The secrets that sign the project's callbacks now, the current one first. */
export function findSigningSecrets(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredSigningSecret[]> {
  return database.run("find-signing-secrets", (sql) =>
    sql.unsafe<StoredSigningSecret[]>(FIND, [projectId, nowMs], { prepare: true }),
  );
}

// Nodes that start together take turns, or each would add a secret of its own.
const LOCK_PROJECT = `update projects set name = name where id = $1`;

const CURRENT = `
select ${COLUMNS} from signing_secrets
where project_id = $1 and expires_at is null order by id desc
`;

const REPLACE = `
with replaced as (
  update signing_secrets set expires_at = to_timestamp($4::float8 / 1000)
  where project_id = $2 and expires_at is null
)
insert into signing_secrets (id, project_id, secret, created_at)
values ($1, $2, $3, to_timestamp($4::float8 / 1000))
`;

/**
 * Makes sure that the project has a current secret that `isWanted`: keeps the one it has, or
 * replaces it by the one given. Returns the sealed text of the one that is current now.
 */
export function ensureSigningSecret(
  database: Database,
  secret: {
    readonly id: string;
    readonly projectId: string;
    readonly sealed: string;
    readonly nowMs: number;
    readonly isWanted: (sealed: string) => boolean;
  },
): Promise<string> {
  const { id, projectId, sealed, nowMs } = secret;
  return database.transaction("ensure-signing-secret", async (sql) => {
    await sql.unsafe(LOCK_PROJECT, [projectId]);
    const current = await sql.unsafe<StoredSigningSecret[]>(CURRENT, [projectId]);
    const kept = current.find((one) => secret.isWanted(one.sealed));
    if (kept !== undefined) return kept.sealed;
    await sql.unsafe(REPLACE, [id, projectId, sealed, nowMs]);
    return sealed;
  });
}
