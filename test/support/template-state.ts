import type postgres from "postgres";

/** What the migrated database is like, so that a used copy of it can be made like new. */
export interface TemplateState {
  /** Differs when anything but rows differs. */
  readonly fingerprint: string;
  /** The tables that tests write to, with the rows they begin with as JSON; null without any. */
  readonly tables: readonly { readonly name: string; readonly rows: string | null }[];
  readonly bytes: number;
}

/** A copy that has grown by more is not worth cleaning. */
const GROWTH_BYTES_MAX = 2 * 1024 * 1024;

/** Tables of the system, and those of the migrations, which are part of the fingerprint. */
const OWN = "relnamespace = 'public'::regnamespace";

/** Statistics are part of it: plans depend on them, and deleted rows leave them behind. */
const FINGERPRINT = `
with relation as materialized (
  select * from pg_class where ${OWN} or relnamespace = to_regnamespace('drizzle')
)
select md5(concat_ws(E'\\n',
  (select string_agg(concat_ws(' ', relname, relkind, relpersistence, reloptions, reltuples > 0), ',' order by relname, relkind)
    from relation),
  (select string_agg(concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull, atthasdef), ',' order by attrelid::regclass::text, attnum)
    from pg_attribute where attrelid in (select oid from relation) and attnum > 0 and not attisdropped),
  (select string_agg(concat_ws(' ', conrelid::regclass, conname, convalidated), ',' order by conrelid::regclass::text, conname)
    from pg_constraint where conrelid in (select oid from relation)),
  (select string_agg(tgname, ',' order by tgname) from pg_trigger where not tgisinternal),
  (select string_agg(proname, ',' order by proname) from pg_proc where pronamespace = 'public'::regnamespace),
  (select string_agg(nspname, ',' order by nspname) from pg_namespace where nspname !~ '^pg_'),
  (select string_agg(extname, ',' order by extname) from pg_extension),
  (select count(*) from pg_statistic where starelid in (select oid from relation)),
  (select count(*) from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())),
  (select count(*) from drizzle.__drizzle_migrations)
)) as fingerprint
`;

/** Of the database that this connection is to. */
export async function readTemplateState(sql: postgres.Sql): Promise<TemplateState> {
  const { fingerprint, bytes } = await readState(sql);
  const names = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where ${sql.unsafe(OWN)} and relkind in ('r', 'p') and not relispartition order by relname`;
  const tables = [];
  for (const { name } of names) {
    const [row] = await sql<{ rows: string | null }[]>`
      select json_agg(own)::text as rows from ${sql(name)} as own`;
    tables.push({ name, rows: row?.rows ?? null });
  }
  return { fingerprint, tables, bytes };
}

/** Makes a copy like new; false where that is not possible, or costs more than another copy. */
export async function restore(sql: postgres.Sql, template: TemplateState): Promise<boolean> {
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  const { fingerprint, bytes } = await readState(sql);
  if (fingerprint !== template.fingerprint || bytes > template.bytes + GROWTH_BYTES_MAX)
    return false;
  await sql.begin(async (within) => {
    // The order in which tables are emptied is of no importance.
    await within`set local session_replication_role = replica`;
    await within.unsafe(template.tables.map(({ name }) => `delete from "${name}"`).join(";"));
    for (const { name, rows } of template.tables) {
      if (rows === null) continue;
      await within`
        insert into ${within(name)}
        select * from json_populate_recordset(null::${within(name)}, ${rows}::text::json)`;
    }
  });
  return true;
}

async function readState(sql: postgres.Sql): Promise<{ fingerprint: string; bytes: number }> {
  const [state] = await sql<{ fingerprint: string; bytes: number }[]>`
    select fingerprint, pg_database_size(current_database())::float8 as bytes
    from (${sql.unsafe(FINGERPRINT)}) as read`;
  if (state === undefined) throw new Error("the state of a database could not be read");
  return state;
}
