import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { type Pooler, startPooler } from "./pooler.ts";

let server: TestDatabase;
const poolers: Pooler[] = [];
const clients: postgres.Sql[] = [];

beforeEach(async () => {
  server = await createTestDatabase();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end({ timeout: 0 })));
  await Promise.all(poolers.splice(0).map((pooler) => pooler.close()));
  await server.drop();
});

async function start(connectionsMax: number, url = server.url): Promise<Pooler> {
  const pooler = await startPooler(url, connectionsMax);
  poolers.push(pooler);
  return pooler;
}

/** One connection to the pooler. */
function connect(pooler: Pooler): postgres.Sql {
  const url = new URL(pooler.url);
  url.search = "";
  const client = postgres(url.href, { max: 1, fetch_types: false, onnotice: () => {} });
  clients.push(client);
  return client;
}

test("a client that waits is served when the one that held the connection is gone", async () => {
  const pooler = await start(1);
  const [holder, waiting] = [connect(pooler), connect(pooler)];
  await holder.unsafe("begin");
  const answer = waiting.unsafe("select 1 as one").execute();
  await expect.poll(() => pooler.waiting).toBe(1);
  await holder.end({ timeout: 0 });
  expect(await answer).toEqual([{ one: 1 }]);
});

test("when the server ends a connection, its client hears it and one that waits is served", async () => {
  const pooler = await start(1);
  const [holder, waiting] = [connect(pooler), connect(pooler)];
  await holder.unsafe("begin");
  const [row] = await holder.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
  const answer = waiting.unsafe("select 1 as one").execute();
  await expect.poll(() => pooler.waiting).toBe(1);
  const admin = postgres(server.url, { max: 1, fetch_types: false });
  clients.push(admin);
  // A statement that only the end of its connection can end.
  await admin`select pg_advisory_lock(1)`;
  const held = expect(holder.unsafe("select pg_advisory_lock(1)")).rejects.toThrow(
    /terminating connection|CONNECTION_CLOSED/,
  );
  await admin`select pg_terminate_backend(${row?.pid ?? 0})`;
  await held;
  expect(await answer).toEqual([{ one: 1 }]);
});

test("a client that leaves the queue takes no connection with it", async () => {
  const pooler = await start(1);
  const [holder, leaving, waiting] = [connect(pooler), connect(pooler), connect(pooler)];
  await holder.unsafe("begin");
  const left = leaving.unsafe("begin").execute();
  left.catch(() => undefined);
  await expect.poll(() => pooler.waiting).toBe(1);
  const answer = waiting.unsafe("select 1 as one").execute();
  await expect.poll(() => pooler.waiting).toBe(2);
  await leaving.end({ timeout: 0 });
  await expect.poll(() => pooler.waiting).toBe(1);
  await holder.unsafe("commit");
  expect(await answer).toEqual([{ one: 1 }]);
});

test("many clients at once share the connections that there may be", async () => {
  const pooler = await start(2);
  const many = Array.from({ length: 12 }, () => connect(pooler));
  const allHaveAsked = Promise.withResolvers<void>();
  const used = Promise.all(
    many.map(async (client) => {
      await client.unsafe("begin");
      await allHaveAsked.promise;
      const [row] = await client.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
      await client.unsafe("commit");
      return row?.pid;
    }),
  );
  await expect.poll(() => pooler.waiting).toBe(10);
  allHaveAsked.resolve();
  expect(new Set(await used).size).toBe(2);
});

test("clients are told when the server can't be reached", async () => {
  const gone = new URL(server.url);
  gone.port = "1";
  const pooler = await start(1, gone.href);
  const asked = [connect(pooler), connect(pooler)].map((client) => client.unsafe("select 1"));
  const answers = await Promise.allSettled(asked);
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test("a statement that a connection refused to prepare is prepared on it again", async () => {
  const pooler = await start(2);
  const [other, client] = [connect(pooler), connect(pooler)];
  const select = () => client.unsafe("select $1::text as text", ["x"], { prepare: true });
  // Prepared on the only connection that is open, which is taken then.
  await select();
  await other.unsafe("begin");
  await client.unsafe("begin");
  await expect(client.unsafe("select 1 / 0")).rejects.toThrow("division by zero");
  await expect(select()).rejects.toThrow("current transaction is aborted");
  await client.unsafe("rollback");
  await client.unsafe("begin");
  expect(await select()).toEqual([{ text: "x" }]);
  await client.unsafe("commit");
  await other.unsafe("commit");
});
