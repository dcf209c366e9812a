import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  providerPageSchema,
  providerWithDefinitionSchema,
} from "../../src/api/providers/schema.ts";
import { exampleSource } from "../providers/example-provider.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const { name: _, ...DEFINITION } = exampleSource;
let name = "";
let names = 0;
beforeEach(() => {
  names += 1;
  name = `acme-${names}`;
});

function put(body: unknown, at = name, key?: string): Promise<Response> {
  return api.request("PUT", `/v1/providers/${at}`, { body, ...(key !== undefined && { key }) });
}

async function putOne(changes: object = {}): Promise<Json> {
  const response = await put({ ...DEFINITION, ...changes });
  expect(response.status).toBeLessThan(300);
  return providerWithDefinitionSchema.parse(await response.json());
}

async function connect(fields: object = {}): Promise<Json> {
  const body = { provider: name, credential: "acme-secret-key", ...fields };
  const response = await api.request("POST", "/v1/connections", { body });
  expect(response.status).toBe(201);
  return response.json();
}

describe("a provider of one's own", () => {
  it("a provider of one's own is created, and shown as it was written", async () => {
    const response = await put(DEFINITION);
    expect(response.status).toBe(201);
    const created: Json = providerWithDefinitionSchema.parse(await response.json());
    expect(created).toMatchObject({
      name,
      source: "project",
      version: 1,
      base_url: "https://api.example.com",
      definition: { name, ...DEFINITION },
    });
    const read = await api.request("GET", `/v1/providers/${name}`);
    expect(await read.json()).toEqual(created);
    const list = await api.request("GET", "/v1/providers");
    const { definition, ...listed } = created;
    expect((providerPageSchema.parse(await list.json()) as Json).data).toContainEqual(listed);
    expect(definition).not.toHaveProperty("not_found_grace_s");
  });

  it("a provider of one's own gets a version for each change, and none for the same again, however it is written", async () => {
    await putOne();
    expect(await putOne({ title: "Other" })).toMatchObject({ version: 2 });
    const reordered = Object.fromEntries(Object.entries(DEFINITION).reverse());
    const again = await put(JSON.stringify({ ...reordered, title: "Other", name }, null, 4));
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ version: 2, title: "Other" });
    expect(await putOne()).toMatchObject({ version: 3 });
  });

  it("a provider of one's own keeps the digits of the numbers that it compares with", async () => {
    const withNumber = (number: string) =>
      JSON.stringify({
        ...DEFINITION,
        rules: [{ all: [{ pointer: "/n", eq: 0 }], observe: "running" }],
      }).replace('"eq":0', `"eq":${number}`);
    const created = await put(withNumber("7615917337495251231"));
    expect(created.status).toBe(201);
    expect(await created.text()).toContain('"eq":7615917337495251231}');
    const read = await api.request("GET", `/v1/providers/${name}`);
    expect(await read.text()).toContain('"eq":7615917337495251231}');
    expect(await (await put(withNumber("7615917337495251231"))).json()).toMatchObject({
      version: 1,
    });
    expect(await (await put(withNumber("7615917337495251232"))).json()).toMatchObject({
      version: 2,
    });
  });

  it("a provider of one's own can begin as a copy of a built-in one", async () => {
    const pulse: Json = await (await api.request("GET", "/v1/providers/pulse")).json();
    expect(pulse).toMatchObject({ source: "built_in", version: null, version_created_at: null });
    const { name: pulseName, ...copy } = pulse.definition;
    expect(pulseName).toBe("pulse");
    const response = await put({ ...copy, deadline_s: 60 });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ title: "Pulse", default_deadline_s: 60 });
  });

  it("a provider of one's own belongs to its project alone", async () => {
    await putOne();
    const projectId = api.uuid();
    await api.addProject(projectId, `other-${names}`);
    const key = await api.addKey(["admin"], { projectId });
    expect((await api.request("GET", `/v1/providers/${name}`, { key })).status).toBe(404);
    const connection = await api.request("POST", "/v1/connections", {
      body: { provider: name },
      key,
    });
    expect(await problemOf(connection)).toMatchObject({ code: "unknown_provider" });
    expect((await api.request("DELETE", `/v1/providers/${name}`, { key })).status).toBe(404);
    const own = await put({ ...DEFINITION, title: "Theirs" }, name, key);
    expect(own.status).toBe(201);
    expect(await (await api.request("GET", `/v1/providers/${name}`)).json()).toMatchObject({
      title: "Example",
    });
  });

  it("a provider of one's own takes an admin's key to be changed, and any that reads to be looked at", async () => {
    await putOne();
    const reader = await api.addKey(["subscriptions:read"]);
    expect((await put(DEFINITION, name, reader)).status).toBe(403);
    const path = `/v1/providers/${name}`;
    expect((await api.request("DELETE", path, { key: reader })).status).toBe(403);
    expect((await api.request("POST", `${path}/try`, { body: {}, key: reader })).status).toBe(403);
    expect((await api.request("GET", path, { key: reader })).status).toBe(200);
  });

  it("a provider of one's own can't have the name of a built-in one", async () => {
    const response = await put(DEFINITION, "pulse");
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "provider_name_taken" });
  });
});

describe("a definition is refused with every place that is wrong, and what would be valid", () => {
  it.each<[string, object, Json[]]>([
    [
      "misspelt words",
      { rules: [{ observe: "done" }], schedule: { kind: "hourly" }, retries: 3 },
      [
        { pointer: "/rules/0/observe", detail: expect.stringContaining('"completed"') },
        { pointer: "/schedule/kind", detail: expect.stringContaining('"exponential"') },
        { pointer: "/retries", detail: expect.stringContaining("unknown") },
      ],
    ],
    [
      "a path that is none",
      { status: { path: "jobs/{id}" } },
      [{ pointer: "/status/path", detail: expect.stringContaining("{job_id}") }],
    ],
    [
      "a condition that tests nothing",
      { rules: [{ all: [{ pointer: "/status" }], observe: "running" }] },
      [{ pointer: "/rules/0/all/0", detail: expect.stringContaining("eq, in") }],
    ],
    ["no rules", { rules: undefined }, [{ pointer: "/rules", detail: expect.any(String) }]],
    [
      "another name than its address",
      { name: "other" },
      [{ pointer: "/name", detail: expect.stringContaining("as in the path") }],
    ],
    [
      "an address that may not be asked",
      { base_url: "http://10.0.0.1" },
      [{ pointer: "/base_url", detail: "use https" }],
    ],
  ])(
    "a definition is refused for %s, with every wrong place and the valid values",
    async (_what, changes, errors) => {
      const response = await put({ ...DEFINITION, ...changes });
      expect(response.status).toBe(422);
      const problem = await problemOf(response);
      expect(problem.code).toBe("validation_failed");
      expect(problem.errors).toHaveLength(errors.length);
      expect(problem.errors).toEqual(expect.arrayContaining(errors));
      expect((await api.request("GET", `/v1/providers/${name}`)).status).toBe(404);
    },
  );

  it.each(["schema", "Acme", "a%20b", "é", "a".repeat(64)])("for the name %s", async (at) => {
    const response = await put(DEFINITION, at);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/name" }]);
  });
});

describe("a hostile definition", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  it.each<[string, string, number, string | undefined]>([
    ["too large", JSON.stringify({ ...DEFINITION, notes: "x".repeat(70_000) }), 413, undefined],
    ["too deep", `{"status":{"body":{"kind":"json","value":${nested(20_000)}}}}`, 422, ""],
    ["too wide", `{"rules":[${"0,".repeat(30_000)}0]}`, 422, ""],
    ["an array", "[]", 422, ""],
    ["a text", '"pulse"', 422, ""],
    ["null", "null", 422, ""],
    [
      "with hundreds of places of progress",
      JSON.stringify({
        ...DEFINITION,
        extract: { progress: Object.fromEntries([...Array(300).keys()].map((n) => [n, "/a"])) },
      }),
      422,
      "/extract/progress",
    ],
    [
      "with a prototype",
      JSON.stringify(DEFINITION).replace("{", '{"__proto__":{"title":"x"},'),
      422,
      "/__proto__",
    ],
    [
      "with a prototype among its headers",
      JSON.stringify({ ...DEFINITION, headers: 0 }).replace(
        '"headers":0',
        '"headers":{"__proto__":"x"}',
      ),
      422,
      "/headers/__proto__",
    ],
  ])("a hostile definition that is %s is refused", async (_what, body, status, pointer) => {
    const response = await put(body);
    expect(response.status).toBe(status);
    const { errors } = await problemOf(response);
    if (pointer !== undefined) expect(errors).toMatchObject([{ pointer }]);
  });

  it("a hostile definition can't hold a header that smuggles another, or belongs to the connection", async () => {
    const headers = { "x-a": "b\r\nx-c: d", host: "elsewhere" };
    const { errors } = await problemOf(await put({ ...DEFINITION, headers }));
    expect(errors).toMatchObject([{ pointer: "/headers/x-a" }, { pointer: "/headers/host" }]);
  });
});

describe("deleting a provider", () => {
  const remove = (at = name) => api.request("DELETE", `/v1/providers/${at}`);

  it("deleting a provider takes it away, and its name is free for a new one, whose versions count on", async () => {
    await putOne();
    expect((await remove()).status).toBe(204);
    expect((await api.request("GET", `/v1/providers/${name}`)).status).toBe(404);
    expect((await remove()).status).toBe(404);
    expect(await putOne()).toMatchObject({ version: 2 });
  });

  it("deleting a provider is refused while connections need it", async () => {
    await putOne();
    const { id } = await connect();
    const response = await remove();
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "provider_in_use" });
    await api.request("DELETE", `/v1/connections/${id}`);
    expect((await remove()).status).toBe(204);
  });

  it("deleting a provider is not possible for what is not the project's", async () => {
    const response = await remove("pulse");
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toContain("of its own");
  });
});
