import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { apiRoutes } from "../../src/api/routes.ts";
import { forgetOldAnswers } from "../../src/store/projects/idempotent-answers.ts";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

/* Requests that create something, sent again with the same Idempotency-Key. */

let api: ApiFixture;
let keys = 0;
let key = "";

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  key = `key-${(keys += 1)}`;
});

const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  api.request("POST", path, { body, headers: { "idempotency-key": key, ...headers } });

async function count(table: string, where = "true"): Promise<number> {
  const [row] = await api.sql(`select count(*)::int as count from ${table} where ${where}`);
  return row?.["count"] as number;
}

/** Each operation's request, a different request, and the table of the rows it creates. */
const OPERATIONS = [
  {
    operation: "createConnection",
    path: "/v1/connections",
    body: { provider: "pulse", name: "again", credential: "pulse-secret-1" },
    other: { provider: "pulse", name: "again", credential: "pulse-secret-2" },
    status: 201,
    table: "connections",
  },
  {
    operation: "createApiKey",
    path: "/v1/api-keys",
    body: { name: "billing", scopes: ["subscriptions:read"] },
    other: { name: "billing", scopes: ["admin"] },
    status: 201,
    table: "api_keys",
  },
  {
    operation: "rotateSigningSecret",
    path: "/v1/signing-secrets/rotate",
    body: { overlap_s: 60 },
    other: { overlap_s: 61 },
    status: 200,
    table: "signing_secrets",
  },
  {
    operation: "rotateSigningKey",
    path: "/v1/signing-keys/rotate",
    body: { overlap_s: 60 },
    other: { overlap_s: 61 },
    status: 200,
    table: "signing_secrets",
  },
  {
    operation: "createRedelivery",
    path: "/v1/redeliveries",
    body: { status: "exhausted" },
    other: { status: "delivered" },
    status: 202,
    table: "redeliveries",
  },
] as const;

describe.each(OPERATIONS)("$operation", ({ path, body, other, status, table }) => {
  it("creates once, and answers a repeated request as the first one", async () => {
    const before = await count(table);
    const first = await post(path, body);
    expect(first.status).toBe(status);
    expect(first.headers.has("idempotent-replayed")).toBe(false);
    const again = await post(path, body);
    expect(again.status).toBe(status);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.headers.get("cache-control")).toBe(first.headers.get("cache-control"));
    expect(await again.text()).toBe(await first.text());
    expect(await count(table)).toBe(before + 1);
    const conflict = await post(path, other);
    expect(await problemOf(conflict)).toMatchObject({ code: "idempotency_conflict" });
    expect(await count(table)).toBe(before + 1);
  });

  it("creates once when the same request comes twice at the same time", async () => {
    const wanted = "name" in body ? { ...body, name: `${body.name}-at-once` } : body;
    const before = await count(table);
    const answers = await Promise.all([post(path, wanted), post(path, wanted)]);
    const [first, second] = await Promise.all(answers.map((answer) => answer.text()));
    expect(answers.map((answer) => answer.status)).toEqual([status, status]);
    expect(first).toBe(second);
    expect(await count(table)).toBe(before + 1);
  });
});

it("a key is one operation's and one project's own", async () => {
  const made = await post("/v1/api-keys", { name: "one", scopes: ["submit"] });
  expect((await post("/v1/signing-keys/rotate", {})).headers.has("idempotent-replayed")).toBe(
    false,
  );
  const projectId = api.uuid();
  await api.addProject(projectId, "other");
  const foreign = await api.addKey(["admin"], { projectId });
  const elsewhere = await api.request("POST", "/v1/api-keys", {
    body: { name: "one", scopes: ["submit"] },
    key: foreign,
    headers: { "idempotency-key": key },
  });
  expect(elsewhere.status).toBe(201);
  expect(((await elsewhere.json()) as Json).id).not.toBe(((await made.json()) as Json).id);
});

it("no stored answer can be read without the ring", async () => {
  const made = (await (
    await post("/v1/api-keys", { name: "s", scopes: ["submit"] })
  ).json()) as Json;
  const rows = JSON.stringify(await api.sql("select * from idempotent_answers"));
  expect(rows).not.toContain(made.key);
  expect(rows).not.toContain("pulse-secret");
  expect(await count("idempotent_answers", "answer is null")).toBe(0);
});

it("a refusal is not kept: the same request may succeed later", async () => {
  const body = { provider: "pulse", name: "taken", credential: "k" };
  const taken = (await (await api.request("POST", "/v1/connections", { body })).json()) as Json;
  expect(await problemOf(await post("/v1/connections", body))).toMatchObject({
    code: "connection_exists",
  });
  await api.request("DELETE", `/v1/connections/${taken.id}`);
  expect((await post("/v1/connections", body)).status).toBe(201);
});

it("a creation that fails leaves neither a row nor a used key", async () => {
  await api.sql(
    `alter table audit_log add constraint full_now check (action <> 'api_key.created') not valid`,
  );
  const body = { name: "fails", scopes: ["submit"] };
  expect((await post("/v1/api-keys", body)).status).toBe(500);
  await api.sql(`alter table audit_log drop constraint full_now`);
  expect(await count("api_keys", "name = 'fails'")).toBe(0);
  const made = await post("/v1/api-keys", body);
  expect(made.status).toBe(201);
  expect(made.headers.has("idempotent-replayed")).toBe(false);
});

it("a repeated request is answered although its creation was the last that a limit allows", async () => {
  const body = { name: "the last", scopes: ["submit"] };
  const first = await post("/v1/api-keys", body);
  api.limits.own.set(api.projectId, { api_keys: 0 });
  try {
    expect(await (await post("/v1/api-keys", body)).text()).toBe(await first.text());
    key = `${key}-other`;
    expect(await problemOf(await post("/v1/api-keys", body))).toMatchObject({
      code: "project_limit_reached",
    });
  } finally {
    api.limits.own.delete(api.projectId);
  }
});

it("a request whose key is being used for long is told to come back", async () => {
  const impatient = await ApiFixture.open({ lockTimeoutMs: 100 });
  try {
    const body = { name: "held", scopes: ["submit"] };
    const request = () =>
      impatient.request("POST", "/v1/api-keys", { body, headers: { "idempotency-key": "held" } });
    const rollback = new Error("rolled back");
    const holding = impatient.database.transaction("hold a key", async (sql) => {
      await sql`insert into idempotent_answers (id, project_id, operation, key, request_hash)
        values (${impatient.uuid()}, ${impatient.projectId}, 'createApiKey', 'held', '')`;
      const answer = await request();
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(await problemOf(answer)).toMatchObject({ code: "idempotency_key_in_use" });
      throw rollback;
    });
    await expect(holding).rejects.toBe(rollback);
    expect((await request()).status).toBe(201);
  } finally {
    await impatient.close();
  }
});

it("a repeated redelivery is answered with its progress since", async () => {
  const made = (await (await post("/v1/redeliveries", { status: "gone" })).json()) as Json;
  await api.sql(`update redeliveries set state = 'completed', matched = 3 where status = 'gone'`);
  const again = await post("/v1/redeliveries", { status: "gone" });
  expect(await again.json()).toMatchObject({ id: made.id, state: "completed", matched: 3 });
});

it("keys are forgotten after a day", async () => {
  const body = { name: "old", scopes: ["submit"] };
  const first = (await (await post("/v1/api-keys", body)).json()) as Json;
  const age = (hours: number) =>
    api.sql(`update idempotent_answers set created_at = now() - make_interval(hours => $1::int)`, [
      hours,
    ]);
  await age(23);
  expect(await forgetOldAnswers(api.database)).toBe(0);
  await age(25);
  expect(await forgetOldAnswers(api.database)).toBeGreaterThan(0);
  expect(((await (await post("/v1/api-keys", body)).json()) as Json).id).not.toBe(first.id);
});

it("every POST takes the header, but those that are harmless to repeat", () => {
  const without = apiRoutes(api.services)
    .map(({ description }) => description)
    .filter(({ method, headers }) => {
      return method === "POST" && !("Idempotency-Key" in (headers?.shape ?? {}));
    });
  expect(without.map(({ operationId }) => operationId).toSorted()).toEqual([
    "acknowledgeInboxMessages",
    // A deadline only moves forward.
    "extendJobDeadline",
    "pollSubscription",
    // Sent once more at most, with the same webhook-id.
    "redeliver",
    "seekInboxConsumer",
    "testCallback",
    "tryCallbackOrigin",
    "tryProvider",
  ]);
});
