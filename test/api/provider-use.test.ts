import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parsePublicId } from "../../src/core/ids/ids.ts";
import { exampleSource } from "../providers/example-provider.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

let name = "";
let names = 0;
beforeEach(() => {
  names += 1;
  name = `acme-${names}`;
});

async function putOne(changes: object = {}): Promise<void> {
  const body = { ...exampleSource, name, ...changes };
  const response = await api.request("PUT", `/v1/providers/${name}`, { body });
  expect(response.status).toBeLessThan(300);
}

async function connect(fields: object = {}): Promise<Json> {
  const body = { provider: name, credential: "acme-secret-key", ...fields };
  const response = await api.request("POST", "/v1/connections", { body });
  expect(response.status).toBe(201);
  return response.json();
}

describe("a project's own provider", () => {
  it("a project's own provider takes connections and subscriptions, by the version that is in force", async () => {
    await putOne();
    await connect();
    const first = await api.subscribe({ provider: name });
    await putOne({ title: "Other" });
    const second = await api.subscribe({ provider: name });
    const joined = await api.subscribe({ provider: name, job_id: first.job_id });
    const versionOf = async (subscription: Json): Promise<number> => {
      const [row] = await api.sql(
        `select version from subscriptions
         join jobs on jobs.shard_id = subscriptions.shard_id and jobs.id = job_row_id
         join provider_versions on provider_versions.id = provider_version_id
         where subscriptions.id = $1`,
        [parsePublicId("subscription", subscription.id)],
      );
      return row.version;
    };
    expect(await Promise.all([first, second, joined].map(versionOf))).toEqual([1, 2, 1]);
  });

  it("fetches no results unless the definition says how", async () => {
    await putOne();
    await connect();
    const callback = { job_id: "a", callback_url: "https://app.example.com/hook" };
    const body = { provider: name, ...callback, fetch_result: true };
    const refused = await api.request("POST", "/v1/subscriptions", { body });
    expect(refused.status).toBe(422);
    expect((await problemOf(refused)).errors).toMatchObject([{ pointer: "/fetch_result" }]);
    const download = { url_at: ["/output_url"], credential: false, hosts: ["files.example.com"] };
    await putOne({ result: { ...exampleSource.result, download } });
    expect((await api.request("POST", "/v1/subscriptions", { body })).status).toBe(201);
  });

  it("which a repeated request is answered by all the same after the definition has changed", async () => {
    await putOne();
    await connect();
    const headers = { "idempotency-key": name };
    const body = { provider: name, job_id: "a", callback_url: "https://app.example.com/hook" };
    const first: Json = await (
      await api.request("POST", "/v1/subscriptions", { body, headers })
    ).json();
    await putOne({ deadline_s: 60 });
    const again = await api.request("POST", "/v1/subscriptions", { body, headers });
    expect(again.status).toBe(201);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(((await again.json()) as Json).id).toBe(first.id);
  });

  it("a subscription at a project's own provider needs the params that its requests are built from", async () => {
    await putOne({ status: { path: "/{params.region}/jobs/{job_id}" } });
    await connect();
    const body = { provider: name, job_id: "a", callback_url: "https://app.example.com/hook" };
    const response = await api.request("POST", "/v1/subscriptions", { body });
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/params/region" }]);
  });
});

describe("a credential", () => {
  const agreedHosts = async (id: string): Promise<string[]> => {
    const [row] = await api.sql(
      `select to_json(agreed_hosts) as agreed_hosts from connections where id = $1`,
      [parsePublicId("connection", id)],
    );
    return row.agreed_hosts;
  };
  const patch = (id: string, body: object) =>
    api.request("PATCH", `/v1/connections/${id}`, { body });

  it("a credential is agreed to go where the definition leads when it is given, and when it is given again", async () => {
    await putOne();
    const { id } = await connect();
    expect(await agreedHosts(id)).toEqual(["https://api.example.com"]);
    await putOne({ base_url: "https://new.example.com" });
    await patch(id, { settings: { poll_interval_s: 9 } });
    expect(await agreedHosts(id)).toEqual(["https://api.example.com"]);
    await patch(id, { credential: "acme-secret-key" });
    expect(await agreedHosts(id)).toEqual(["https://new.example.com"]);
  });

  it("a credential is not led elsewhere by naming the address that a new version leads to", async () => {
    await putOne();
    const { id } = await connect();
    await putOne({ base_url: "https://new.example.com" });
    const response = await patch(id, { base_url: "https://new.example.com" });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/credential" }]);
  });

  it("a credential stays with a connection that has an address of its own", async () => {
    await putOne();
    const { id } = await connect({ base_url: "https://mine.example.com/v1" });
    expect(await agreedHosts(id)).toEqual(["https://mine.example.com"]);
    expect((await patch(id, { base_url: "https://mine.example.com/v2" })).status).toBe(200);
  });
});
