import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditPageSchema } from "../../src/api/projects/schema.ts";
import { apiRoutes } from "../../src/api/routes.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import { forgetAuditEntries } from "../../src/store/projects/audit-log.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { ApiFixture, EMPTY_LIST, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
/** The key that the requests are made with. */
let key: string;
let keyId: string;
beforeAll(async () => {
  api = await ApiFixture.open();
  key = await api.addKey(["admin"]);
  const [row] = await api.sql(`select id from api_keys order by id desc limit 1`);
  keyId = publicId("apiKey", row.id);
});
afterAll(() => api.close());

const ADDRESS = "203.0.113.7";

async function change(method: string, path: string, body?: object): Promise<Json> {
  // Ids of one millisecond have no order.
  api.clock.advance(1);
  const response = await api.app.request(
    path,
    {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    },
    { incoming: { socket: { remoteAddress: ADDRESS } } },
  );
  if (response.status >= 300) throw new Error(`${method} ${path}: ${await response.text()}`);
  return response.status === 204 ? null : response.json();
}

async function entries(query = "?limit=100"): Promise<Json[]> {
  const response = await api.request("GET", `/v1/audit-log${query}`);
  expect(response.status).toBe(200);
  return auditPageSchema.parse(await response.json()).data as Json[];
}

describe("the audit log", () => {
  const SECRETS = {
    credential: `credential-${randomBytes(12).toString("hex")}`,
    signing: `whsec_${randomBytes(32).toString("base64")}`,
  };

  it("the audit log has one entry for every change, with its author and address and without secrets", async () => {
    const made = await change("POST", "/v1/api-keys", { name: "ci", scopes: ["admin"] });
    await change("DELETE", `/v1/api-keys/${made.id}`);
    const { credential } = SECRETS;
    const wanted = { provider: "pulse", name: "other", credential };
    const connection = await change("POST", "/v1/connections", wanted);
    await change("PATCH", `/v1/connections/${connection.id}`, { credential, state: "paused" });
    await change("DELETE", `/v1/connections/${connection.id}`);
    await change("PUT", "/v1/providers/audited", { ...exampleSource, name: "audited" });
    await change("PUT", "/v1/providers/audited", { ...exampleSource, name: "audited", title: "B" });
    // The same again changes nothing.
    await change("PUT", "/v1/providers/audited", { ...exampleSource, name: "audited", title: "B" });
    await change("DELETE", "/v1/providers/audited");
    await change("PATCH", "/v1/project", { retry_schedule_s: [1], live_jobs_max: 10 });
    const secret = await change("POST", "/v1/signing-secrets/rotate", { secret: SECRETS.signing });
    const signingKey = await change("POST", "/v1/signing-keys/rotate", { overlap_s: 0 });

    const told = (await entries()).toReversed();
    expect(told.map(({ action, subject, details }) => [action, subject, details])).toEqual([
      ["api_key.created", made.id, { name: "ci", scopes: ["admin"], expires_at: null }],
      ["api_key.revoked", made.id, { name: "ci" }],
      ["connection.created", connection.id, { provider: "pulse", name: "other" }],
      [
        "connection.changed",
        connection.id,
        { provider: "pulse", name: "other", fields: ["credential", "state"] },
      ],
      ["connection.deleted", connection.id, {}],
      ["provider.created", "audited", { version: 1 }],
      ["provider.changed", "audited", { version: 2 }],
      ["provider.deleted", "audited", {}],
      [
        "project.changed",
        publicId("project", api.projectId),
        { fields: expect.arrayContaining(["retry_schedule_s", "live_jobs_max"]) },
      ],
      ["signing_secret.rotated", secret.id, { overlap_s: 86_400 }],
      ["signing_key.rotated", signingKey.id, { overlap_s: 0 }],
    ]);
    for (const entry of told) {
      expect(entry.actor).toEqual({ kind: "api_key", id: keyId });
      expect(entry.address).toBe(ADDRESS);
    }

    const lines = api.logged.filter(({ message }) => message === "audit");
    expect(lines).toHaveLength(told.length);
    const rows = JSON.stringify([await api.sql(`select * from audit_log`), lines]);
    for (const one of [made.key, key, ...Object.values(SECRETS)]) expect(rows).not.toContain(one);
    expect(rows).not.toMatch(/whsec_|whsk_|rb_/);
  });

  it("the audit log has an entry with key and address for every route that administers something", async () => {
    const id: Record<string, string> = {};
    const connection = { provider: "pulse", name: "walked", credential: "x" };
    const provider = { ...exampleSource, name: "walked" };
    const link = await change("POST", "/v1/console-links", {});
    /** One that changes something, for each of them; a later one uses what an earlier one made. */
    const changes: Readonly<Record<string, () => Promise<Json>>> = {
      "POST /v1/api-keys": async () =>
        (id["key"] = (await change("POST", "/v1/api-keys", { name: "k", scopes: ["admin"] })).id),
      "DELETE /v1/api-keys/{id}": () => change("DELETE", `/v1/api-keys/${id["key"]}`),
      "POST /v1/connections": async () =>
        (id["connection"] = (await change("POST", "/v1/connections", connection)).id),
      "PATCH /v1/connections/{id}": () =>
        change("PATCH", `/v1/connections/${id["connection"]}`, { state: "paused" }),
      "DELETE /v1/connections/{id}": () => change("DELETE", `/v1/connections/${id["connection"]}`),
      "PUT /v1/providers/{name}": () => change("PUT", "/v1/providers/walked", provider),
      "DELETE /v1/providers/{name}": () => change("DELETE", "/v1/providers/walked"),
      "PATCH /v1/project": () => change("PATCH", "/v1/project", { live_jobs_max: 11 }),
      "POST /v1/signing-secrets/rotate": () => change("POST", "/v1/signing-secrets/rotate", {}),
      "POST /v1/signing-keys/rotate": () => change("POST", "/v1/signing-keys/rotate", {}),
      "DELETE /v1/console-links/{id}": () => change("DELETE", `/v1/console-links/${link.id}`),
      "DELETE /v1/console-links": () => change("DELETE", "/v1/console-links"),
    };
    const changesNothing = ["POST /v1/providers/{name}/try"];
    const served = apiRoutes(api.services)
      .map(({ description }) => description)
      .filter(({ scope, method }) => scope === "admin" && method !== "GET")
      .map(({ method, path }) => `${method} ${path}`);
    expect(new Set(served)).toEqual(new Set([...Object.keys(changes), ...changesNothing]));
    for (const [route, make] of Object.entries(changes)) {
      const before = await entries();
      await make();
      const [entry, ...others] = await entries();
      expect(others.slice(0, 50), route).toEqual(before.slice(0, 50));
      expect(entry, route).toMatchObject({
        actor: { kind: "api_key", id: keyId },
        address: ADDRESS,
      });
    }
  });

  it("the audit log is paged, newest first, and has only what is the project's own", async () => {
    const all = await entries();
    const first: Json = await (await api.request("GET", "/v1/audit-log?limit=3")).json();
    expect(first.data).toEqual(all.slice(0, 3));
    const second = await entries(`?limit=100&cursor=${first.next_cursor}`);
    expect([...first.data, ...second]).toEqual(all);
    const projectId = api.uuid();
    await api.addProject(projectId, "stranger");
    const stranger = await api.addKey(["admin"], { projectId });
    const own = await api.request("GET", "/v1/audit-log", { key: stranger });
    expect(await own.json()).toEqual(EMPTY_LIST);
    const other = await api.request("GET", `/v1/audit-log?cursor=${first.next_cursor}`, {
      key: stranger,
    });
    expect(await problemOf(other)).toMatchObject({ code: "invalid_cursor" });
  });

  it("the audit log has no entry of a change that was refused", async () => {
    const before = await entries();
    const wanted = { provider: "pulse", name: "default", credential: "x" };
    await expect(change("POST", "/v1/connections", wanted)).rejects.toThrow("connection_exists");
    await expect(change("DELETE", "/v1/providers/absent")).rejects.toThrow("not_found");
    const missing = publicId("apiKey", api.uuid());
    await expect(change("DELETE", `/v1/api-keys/${missing}`)).rejects.toThrow("not_found");
    expect(await entries()).toEqual(before);
  });

  it("a change and its entry in the audit log are stored together or not at all", async () => {
    await api.sql(
      `alter table audit_log add constraint full_now check (action <> 'api_key.created') not valid`,
    );
    const count = () => api.sql(`select count(*)::int as count from api_keys`);
    const before = await count();
    const wanted = { name: "unheard", scopes: ["admin"] };
    await expect(change("POST", "/v1/api-keys", wanted)).rejects.toThrow("internal_error");
    expect(await count()).toEqual(before);
    await api.sql(`alter table audit_log drop constraint full_now`);
  });

  it("the audit log loses entries that are old, and the oldest of a project that has too many", async () => {
    const all = await entries();
    const [oldest] = all.slice(-1);
    await api.sql(`update audit_log set created_at = now() - interval '2 days' where id = $1`, [
      `${oldest.id.slice(4)}`,
    ]);
    const DAY_MS = 86_400_000;
    expect(await forgetAuditEntries(api.database, { keptForMs: DAY_MS, rowsMax: 1_000 })).toBe(1);
    expect(await entries()).toEqual(all.slice(0, -1));
    expect(await forgetAuditEntries(api.database, { keptForMs: DAY_MS, rowsMax: 4 })).toBe(
      all.length - 5,
    );
    expect(await entries()).toEqual(all.slice(0, 4));
  });
});
