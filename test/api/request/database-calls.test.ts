import { afterAll, beforeAll, expect, test } from "vitest";
import { REQUEST_DEADLINE_MS } from "../../../src/api/app.ts";
import { ApiFixture, problemOf } from "../api-fixture.ts";

const CALLS_MAX = 2;

let api: ApiFixture;
let attacker: { readonly projectId: string; readonly key: string };
let neighbor: { readonly projectId: string; readonly key: string };

beforeAll(async () => {
  api = await ApiFixture.open();
  [attacker, neighbor] = await Promise.all([project(), project()]);
  api.limits.own.set(attacker.projectId, { database_calls: CALLS_MAX });
});
afterAll(() => api.close());

async function project() {
  const projectId = api.uuid();
  await api.addProject(projectId, projectId);
  const key = await api.addKey(["admin"], { projectId });
  await api.request("GET", "/v1/providers", { key });
  return { projectId, key };
}

test("requests of a project that uses its calls to the database wait, and another's do not", async () => {
  const end = Promise.withResolvers<void>();
  const database = api.database.within(undefined, attacker.projectId);
  const held = Array.from({ length: CALLS_MAX }, () => {
    const begun = Promise.withResolvers<void>();
    const call = database.run("held", async (sql) => {
      await sql.unsafe("select 1");
      begun.resolve();
      await end.promise;
    });
    return { call, begun: begun.promise };
  });
  await Promise.all(held.map(({ begun }) => begun));
  const get = (of: { readonly key: string }) => api.request("GET", "/v1/project", of);
  const waiting = Array.from({ length: 50 }, () => get(attacker));
  const answer = await get(neighbor);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ limits: { database_calls: { used: 0 } } });

  await api.clock.advanceSettling(REQUEST_DEADLINE_MS);
  const [refused] = await Promise.all(waiting);
  expect(refused?.headers.get("retry-after")).toBe("2");
  expect(refused && (await problemOf(refused))).toMatchObject({
    code: "too_many_requests",
    limit: "database_calls",
    allowed: CALLS_MAX,
  });
  expect(new Set(api.limits.refusals)).toEqual(new Set(["database_calls"]));
  end.resolve();
  await Promise.all(held.map(({ call }) => call));
  expect((await get(attacker)).status).toBe(200);
});
