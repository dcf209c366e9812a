import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectionSchema } from "../../src/api/connections/schema.ts";
import { projectSchema } from "../../src/api/projects/schema.ts";
import type { ProjectLimitName } from "../../src/core/limits/project-limits.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

interface Party {
  readonly projectId: string;
  readonly key: string;
}

const { name: _, ...DEFINITION } = exampleSource;

let api: ApiFixture;
let attacker: Party;
let neighbor: Party;
let made = 0;

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

beforeEach(async () => {
  attacker = await party();
  neighbor = await party();
});

async function party(): Promise<Party> {
  const projectId = api.uuid();
  await api.addProject(projectId, projectId);
  return { projectId, key: await api.addKey(["admin"], { projectId }) };
}

/** How one more of each is made. */
const MAKE: Partial<Record<ProjectLimitName, () => [string, string, object]>> = {
  connections: () => [
    "POST",
    "/v1/connections",
    { provider: "pulse", name: `c${made}`, credential: "key" },
  ],
  api_keys: () => ["POST", "/v1/api-keys", { name: `k${made}`, scopes: ["subscriptions:read"] }],
  signing_secrets: () => ["POST", "/v1/signing-secrets/rotate", { overlap_s: 0 }],
  definitions: () => ["PUT", `/v1/providers/p${made}`, DEFINITION],
  console_links: () => ["POST", "/v1/console-links", {}],
  redeliveries: () => ["POST", "/v1/redeliveries", { status: "exhausted", dry_run: true }],
  definition_versions: () => [
    "PUT",
    "/v1/providers/acme",
    { ...DEFINITION, request_timeout_s: 1 + (made % 100) },
  ],
};

async function make(name: ProjectLimitName, { key }: Party): Promise<Response> {
  made += 1;
  const [method, path, body] = MAKE[name]?.() ?? ["", "", {}];
  return api.request(method, path, { key, body });
}

async function limitsOf({ key }: Party) {
  const answer = await api.request("GET", "/v1/project", { key });
  return projectSchema.parse(await answer.json()).limits;
}

describe.for(Object.keys(MAKE) as ProjectLimitName[])("%s", (name) => {
  test("this stock ends at the project's limit, and another project still adds its own", async () => {
    const before = (await limitsOf(attacker))[name].used ?? 0;
    api.limits.own.set(attacker.projectId, { [name]: before + 3 });
    for (let count = 1; count <= 3; count += 1) {
      expect((await make(name, attacker)).ok).toBe(true);
    }
    const refused = await make(name, attacker);
    expect(refused.status).toBe(409);
    const problem = await problemOf(refused);
    expect(problem).toMatchObject({ limit: name, allowed: before + 3 });
    expect(problem.code).toBe(
      name === "definitions" ? "too_many_providers" : "project_limit_reached",
    );
    expect((await limitsOf(attacker))[name].used).toBe(before + 3);
    expect((await make(name, neighbor)).ok).toBe(true);
  });
});

test("creating and deleting in turns reaches the limit as well", async () => {
  api.limits.own.set(attacker.projectId, { connections: 3 });
  for (let count = 1; count <= 3; count += 1) {
    const connection = connectionSchema.parse(await (await make("connections", attacker)).json());
    const path = `/v1/connections/${connection.id}`;
    expect((await api.request("DELETE", path, attacker)).status).toBe(204);
  }
  expect((await make("connections", attacker)).status).toBe(409);
  await api.sql(`update connections set created_at = '2025-12-01'`);
  expect((await make("connections", attacker)).status).toBe(201);
});

test("a definition that says the same again is no version", async () => {
  api.limits.own.set(attacker.projectId, { definition_versions: 1 });
  const put = () =>
    api.request("PUT", "/v1/providers/same", { key: attacker.key, body: DEFINITION });
  expect((await put()).status).toBe(201);
  expect((await put()).status).toBe(200);
});

test("a subscription beyond what the project may keep is refused with what to do", async () => {
  api.acceptOutcome = { kind: "limit_reached", limit: "stored_bytes", allowed: 5 };
  const body = { job_id: "j", callback_url: "https://app.example.com/hook" };
  const refused = await api.request("POST", "/v1/subscriptions", { body });
  api.acceptOutcome = null;
  expect(refused.headers.get("retry-after")).toBe("10");
  expect(await problemOf(refused)).toMatchObject({
    code: "project_limit_exceeded",
    limit: "stored_bytes",
    allowed: 5,
    detail: expect.stringContaining("ask the operator for more"),
  });
});
