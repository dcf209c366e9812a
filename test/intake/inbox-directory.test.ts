import { expect, test } from "vitest";
import { InboxDirectory } from "../../src/intake/inbox-directory.ts";
import type { Database } from "../../src/store/db/database.ts";
import { TestLimits } from "../support/project-limits.ts";
import { testRuntime } from "../support/runtime.ts";

/** A database in which every inbox exists. */
function fullDatabase() {
  const asked: string[] = [];
  const database: Database = {
    run: <T>(name: string) => {
      asked.push(name);
      return Promise.resolve([{}] as T);
    },
    transaction: () => Promise.reject(new Error("None is needed.")),
  };
  return { asked, database };
}

test("a project with very many inboxes makes no other look its inbox up again", async () => {
  const { asked, database } = fullDatabase();
  const inboxes = new InboxDirectory(testRuntime(), new TestLimits());
  const quiet = { projectId: "quiet", name: "inbox" };
  await inboxes.ensure(database, quiet);
  expect(asked).toEqual(["is-inbox-there"]);
  for (let number = 0; number < 11_000; number += 1) {
    await inboxes.ensure(database, { projectId: "loud", name: `inbox-${number}` });
  }
  const before = asked.length;
  expect(await inboxes.ensure(database, quiet)).toBe(true);
  expect(asked).toHaveLength(before);
  // It pushed out its own oldest.
  expect(await inboxes.ensure(database, { projectId: "loud", name: "inbox-0" })).toBe(true);
  expect(asked).toHaveLength(before + 1);
});
