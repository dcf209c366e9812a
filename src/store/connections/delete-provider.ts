import type { Database } from "../db/database.ts";

export type DeleteProviderOutcome = "deleted" | "in_use" | "not_found";

const DELETE = `
with newest as (
  select id, deleted_at, exists (
    select 1 from connections
    where project_id = $1 and provider = $2 and connections.deleted_at is null
  ) as is_used
  from provider_versions where project_id = $1 and name = $2 order by version desc limit 1
),
deleted as (
  update provider_versions as version set deleted_at = now(), updated_at = now()
  from newest where version.id = newest.id and not is_used and version.deleted_at is null
  returning version.id
)
select case
    when exists (select 1 from deleted) then 'deleted'
    when newest.deleted_at is null and is_used then 'in_use'
    else 'not_found'
  end as outcome
from (select 1) as always left join newest on true
`;

/** Takes a project's definition away, unless a connection of the project still needs it. */
export async function deleteProvider(
  database: Database,
  provider: { readonly projectId: string; readonly name: string },
): Promise<DeleteProviderOutcome> {
  const [row] = await database.run("delete-provider", (sql) =>
    sql.unsafe<{ outcome: DeleteProviderOutcome }[]>(DELETE, [provider.projectId, provider.name], {
      prepare: true,
    }),
  );
  return row?.outcome ?? "not_found";
}
