import postgres from "postgres";
import type { TestContext } from "vitest";
import { createTestDatabase } from "./database.ts";
import { type FakeUpstream, startFakeUpstream } from "./fake-upstream.ts";
import { type GatewayProcess, runMain, type RunningProcess, whenReady } from "./gateway-process.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import type { Json } from "./api-client.ts";
import { gatewayEnvironment, SIGNING_SECRET } from "./gateway-environment.ts";

export const CONNECTION = "of-the-scene";

/** Shared by the gateway processes of a test: a database, an upstream and a receiver. */
export interface ProcessScene {
  readonly databaseUrl: string;
  readonly sql: postgres.Sql;
  readonly upstream: FakeUpstream;
  readonly receiver: Receiver;
  /** Starts a gateway on the database and waits until it is ready. */
  readonly start: (changes?: Readonly<Record<string, string>>) => Promise<GatewayProcess>;
  /** Ends the processes and removes the rest. */
  readonly end: () => Promise<void>;
}

/** Sets one up, to be gone when the test is. */
export async function openProcessScene(
  context: TestContext,
  changes: Readonly<Record<string, string>> = {},
): Promise<ProcessScene> {
  const scene = await createProcessScene(changes);
  context.onTestFinished(() => scene.end());
  return scene;
}

/** Sets one up; `end` it. */
export async function createProcessScene(
  changes: Readonly<Record<string, string>> = {},
): Promise<ProcessScene> {
  const [database, upstream, receiver] = await Promise.all([
    createTestDatabase(),
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  const sql = postgres(database.url, { max: 2, onnotice: () => {} });
  const env = {
    ...gatewayEnvironment(database.url),
    LOG_LEVEL: "info",
    RINGBACK_CALLBACK_TIMEOUT_MS: "30000",
    ...changes,
  };
  const processes: RunningProcess[] = [];
  return {
    databaseUrl: database.url,
    sql,
    upstream,
    receiver,
    start(more = {}) {
      const started = runMain({ ...env, ...more });
      processes.push(started);
      return whenReady(started);
    },
    async end() {
      await Promise.all(processes.map((one) => one.crash()));
      await Promise.all([upstream.close(), receiver.close(), sql.end({ timeout: 1 })]);
      await database.drop();
    },
  };
}

/** Connects the gateway to the scene's upstream, polling often. */
export async function connect(
  gateway: GatewayProcess,
  upstream: FakeUpstream,
  fields: object = {},
): Promise<Json> {
  const answer = await gateway.api("POST", "/v1/connections", {
    provider: "pulse",
    name: CONNECTION,
    credential: "pulse-key-of-the-scene",
    base_url: upstream.origin,
    settings: { poll_interval_s: 0.1 },
    ...fields,
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body;
}

/** Subscribes to a job, whose callbacks go to the path of its name. */
export async function subscribe(
  gateway: GatewayProcess,
  receiver: Receiver,
  jobId: string,
  fields: object = {},
): Promise<Json> {
  const answer = await gateway.api("POST", "/v1/subscriptions", {
    job_id: jobId,
    callback_url: receiver.url(`/${jobId}`),
    connection: CONNECTION,
    ...fields,
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body;
}

const ENDINGS = ["job.completed", "job.failed", "job.canceled", "job.expired", "job.timed_out"];

/** Violated invariants in the database; must be empty, whatever happened before. */
export async function breaches(sql: postgres.Sql): Promise<string[]> {
  const [row] = await sql<{ found: string[] }[]>`
    select coalesce(array_agg(breach), '{}') as found from (
      select 'two endings of job ' || job_row_id as breach from events
      where type = any (${ENDINGS}) group by shard_id, job_row_id having count(*) > 1
      union all
      select 'ended without its event: job ' || job_id from jobs
      where ended_at is not null and not exists (
        select from events where events.shard_id = jobs.shard_id and events.id = last_event_id
          and type = 'job.' || jobs.status)
      union all
      select 'ending owed twice to subscription ' || subscription_id from deliveries
      group by shard_id, subscription_id, event_id having count(*) > 1
      union all
      select 'attempts not numbered through of delivery ' || id from deliveries
      where attempt_count <> (
        select count(*) filter (where number between 1 and attempt_count) from attempts
        where attempts.shard_id = deliveries.shard_id and delivery_id = deliveries.id)
    ) as breaches`;
  return row?.found ?? ["the database did not answer"];
}
