import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { shardOfUuid } from "../../src/core/ids/ids.ts";
import {
  type AcceptRow,
  acceptSubscriptions,
} from "../../src/store/writes/accept-subscriptions.ts";
import { ensureConnection } from "../../src/store/projects/bootstrap-rows.ts";
import type { Database } from "../../src/store/db/database.ts";
import { deleteProvider } from "../../src/store/connections/delete-provider.ts";
import { deleteSubscription } from "../../src/store/subscriptions/delete-subscription.ts";
import { loadConnections } from "../../src/store/connections/load-connections.ts";
import { loadJobs } from "../../src/store/jobs/load-jobs.ts";
import { loadProviders, loadProviderVersions } from "../../src/store/connections/load-providers.ts";
import {
  createConnection,
  deleteConnection,
} from "../../src/store/connections/manage-connections.ts";
import {
  keepFileDefinition,
  type PutOutcome,
  putProvider,
} from "../../src/store/connections/put-provider.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, PROJECT_ID, uuids } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;
beforeEach(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterEach(() => drop());

const NAMES_MAX = 3;

function wanted(definition: string, name = "acme") {
  const id = uuids(Date.now(), 0);
  return { id, name, definition, keyId: null, isSame: (stored: string) => stored === definition };
}

function put(definition: string, name = "acme"): Promise<PutOutcome> {
  return putProvider(database, {
    ...wanted(definition, name),
    projectId: PROJECT_ID,
    namesMax: NAMES_MAX,
    versionsMax: 1000,
  });
}

const remove = (name = "acme") => deleteProvider(database, { projectId: PROJECT_ID, name });

describe("a project's definition", () => {
  test("a project's definition is created, changed, and left alone when put unchanged", async () => {
    expect(await put("{}")).toEqual({ kind: "created", version: 1 });
    expect(await put("{}")).toEqual({ kind: "unchanged", version: 1 });
    expect(await put("[]")).toEqual({ kind: "changed", version: 2 });
    expect(await put("{}")).toEqual({ kind: "changed", version: 3 });
    expect(await loadProviders(database, 0)).toMatchObject([
      { projectId: PROJECT_ID, name: "acme", version: 3, definition: "{}", isDeleted: false },
    ]);
  });

  test("a definition put many times at once gets as many versions, none twice", async () => {
    const outcomes = await Promise.all(["1", "2", "3", "4"].map((text) => put(text)));
    const versions = outcomes.map((outcome) => ("version" in outcome ? outcome.version : 0));
    expect(versions.sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  });

  test("the same definition put many times at once gets one version", async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => put("{}")));
    expect(outcomes.filter(({ kind }) => kind === "created")).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === "unchanged")).toHaveLength(3);
  });

  test("versions continue after a definition was deleted, so no number means two things", async () => {
    await put("{}");
    expect(await remove()).toBe("deleted");
    expect(await remove()).toBe("not_found");
    expect(await loadProviders(database, 0)).toMatchObject([{ version: 1, isDeleted: true }]);
    expect(await put("{}")).toEqual({ kind: "created", version: 2 });
    expect(await remove()).toBe("deleted");
  });

  test("a definition can't be deleted while a connection needs it", async () => {
    await put("{}");
    const id = uuids(Date.now(), 0);
    await createConnection(database, {
      id,
      projectId: PROJECT_ID,
      provider: "acme",
      name: "default",
      baseUrl: null,
      credential: null,
      agreedHosts: ["https://api.acme.example", 'odd, "quoted"'],
      settings: {},
    });
    expect(await remove()).toBe("in_use");
    expect(await remove("other")).toBe("not_found");
    await deleteConnection(database, { projectId: PROJECT_ID, id });
    expect(await remove()).toBe("deleted");
  });

  test("a project may have a bounded number of definitions", async () => {
    for (const name of ["a", "b", "c"]) await put("{}", name);
    expect(await put("{}", "d")).toEqual({ kind: "too_many" });
    expect(await put("[]", "c")).toEqual({ kind: "changed", version: 2 });
    await remove("a");
    expect(await put("{}", "d")).toMatchObject({ kind: "created" });
  });
});

test("a credential from the environment goes where the environment says, whatever was agreed before", async () => {
  const connection = { projectId: PROJECT_ID, provider: "pulse", name: "default" };
  await createConnection(database, {
    ...connection,
    id: uuids(Date.now(), 0),
    baseUrl: null,
    credential: "sealed",
    agreedHosts: ["https://elsewhere.example"],
    settings: {},
  });
  await ensureConnection(database, {
    ...connection,
    id: uuids(Date.now(), 0),
    baseUrl: "https://api.example.com",
    sealedFor: () => ({ credential: "sealed too", environment: "sealed" }),
    isCurrent: () => false,
  });
  expect(await loadConnections(database, 0)).toMatchObject([
    { baseUrl: "https://api.example.com", agreedHosts: null },
  ]);
});

test("a definition from a file gets one version for each thing it ever said, on all nodes", async () => {
  const keep = (definition: string) => keepFileDefinition(database, wanted(definition));
  const [first, again] = await Promise.all([keep("1"), keep("1")]);
  expect(again.id).toBe(first.id);
  const second = await keep("2");
  expect([first.version, second.version]).toEqual([1, 2]);
  expect((await keep("1")).id).toBe(first.id);
  // A project's list does not hold it, but a job can name it.
  expect(await loadProviders(database, 0)).toEqual([]);
  expect(await loadProviderVersions(database, [second.id])).toMatchObject([
    { projectId: null, name: "acme", version: 2, definition: "2" },
  ]);
});

describe("the definition of a job", () => {
  const [older, newer] = [uuids(Date.now(), 0), uuids(Date.now(), 0)];

  async function accept(row: AcceptRow) {
    const [accepted] = await acceptSubscriptions(database, [row]);
    if (accepted?.kind !== "accepted") throw new Error("not accepted");
    return accepted;
  }

  test("a job keeps the definition it started with, whatever later subscriptions would start with", async () => {
    const first = await accept(acceptRow("job", { providerVersionId: older }));
    const second = await accept(acceptRow("job", { providerVersionId: newer }));
    expect(first.providerVersionId).toBe(older);
    expect(second.providerVersionId).toBe(older);
    const { shardId, jobRowId: id } = first.subscription;
    expect(await loadJobs(database, [{ shardId, id }])).toMatchObject([
      { providerVersionId: older },
    ]);
  });

  test("an unwatched job that is subscribed to again uses the current definition", async () => {
    const first = await accept(acceptRow("job", { providerVersionId: older }));
    await deleteSubscription(database, {
      projectId: PROJECT_ID,
      id: first.subscription.id,
      nowMs: Date.now(),
    });
    const again = await accept(acceptRow("job", { providerVersionId: newer }));
    expect(again.providerVersionId).toBe(newer);
    expect(shardOfUuid(again.subscription.jobRowId)).toBe(again.subscription.shardId);
  });
});
