import { readFileSync } from "node:fs";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createReceiver, type SeenStore } from "../../src/receiver/receiver.ts";
import { eventFixture, signedRequest } from "../../src/testing/testing.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

/* A table as the store of several receivers, written as docs/receivers.md shows it. */

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 2, onnotice: () => {} });
  await sql`create table seen (id text primary key)`;
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

test("receivers that share a table handle a repeated callback once between them", async () => {
  const seen: SeenStore = {
    has: async (id) => (await sql`select 1 from seen where id = ${id}`).length > 0,
    add: (id) => sql`insert into seen (id) values (${id}) on conflict do nothing`,
  };
  const handled: string[] = [];
  const receivers = ["one", "other"].map((name) =>
    createReceiver({ secret: SECRET, seen, on: ({ id }) => void handled.push(`${name} ${id}`) }),
  );
  for (const receive of [...receivers, ...receivers]) {
    const request = signedRequest(eventFixture("job.failed"), SECRET, { id: "msg_1" });
    expect((await receive(request)).status).toBe(204);
  }
  expect(handled).toEqual(["one msg_1"]);
  // Both may handle one that comes to both at the same time; to remember it twice is no error.
  const both = receivers.map((receive) =>
    receive(signedRequest(eventFixture("job.failed"), SECRET, { id: "msg_2" })),
  );
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([204, 204]);
});

test("docs/receivers.md shows the store that is tried here", () => {
  const page = readFileSync("docs/receivers.md", "utf8");
  const [, shown = ""] = /```ts\n(const seen: SeenStore = [^]*?)```/.exec(page) ?? [];
  expect(shown.split("\n").length).toBeGreaterThan(3);
  const own = readFileSync("test/receiver/shared-seen.test.ts", "utf8").replaceAll(/^ {2}/gm, "");
  expect(own).toContain(shown);
});
