import { expect, onTestFinished, test } from "vitest";
import postgres from "postgres";
import type { Json } from "../support/api-client.ts";
import { createTestDatabase } from "../support/database.ts";
import { startTestGateway } from "../support/test-gateway.ts";

/** Tables that a start writes to, in the order in which it does, and the step that does it. */
const WRITTEN = {
  api_keys: "key of RINGBACK_API_KEY",
  signing_secrets: "signing secret",
  nodes: "lease",
};
const FAILURES = 2;

test("a start goes on after calls of the database that failed for a passing reason", async () => {
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql`
    create function passing_fault() returns trigger language plpgsql as $$ begin
      if nextval('faults_of_' || tg_table_name) <= ${sql.unsafe(String(FAILURES))} then
        raise exception 'the server is going down' using errcode = '57P01';
      end if;
      return new;
    end $$`;
  for (const table of Object.keys(WRITTEN)) {
    await sql`create sequence ${sql(`faults_of_${table}`)}`;
    await sql`
      create trigger fault before insert on ${sql(table)}
      for each row execute function passing_fault()`;
  }
  const gateway = await startTestGateway({ DATABASE_URL: database.url });
  onTestFinished(async () => {
    await gateway.discard();
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  expect((await gateway.api("GET", "/v1/connections")).status).toBe(200);
  for (const table of Object.keys(WRITTEN)) {
    const [row] = await sql`select last_value::int as calls from ${sql(`faults_of_${table}`)}`;
    expect(row?.["calls"], table).toBeGreaterThan(FAILURES);
  }
  const repeated = gateway.logged
    .map((line): Json => JSON.parse(line))
    .filter(({ msg }) => msg === "a step of the start failed; trying again")
    .map(({ step }) => step);
  expect(repeated).toEqual(Object.values(WRITTEN).flatMap((step) => [step, step]));
});
