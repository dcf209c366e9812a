import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  apiKeyPageSchema,
  newApiKeySchema,
  signingSecretPageSchema,
} from "../../src/api/http/response-schemas.ts";
import { providerPageSchema } from "../../src/api/providers/schema.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import { ensureApiKey } from "../../src/store/projects/api-keys.ts";
import { ensureSigningSecret } from "../../src/store/projects/signing-secrets.ts";
import { apiKeyForm } from "../../src/runtime/secrets/api-key.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const statusWith = async (key: string) =>
  (await api.request("GET", "/v1/providers", { key })).status;

describe("API keys", () => {
  async function create(body: object): Promise<Json> {
    // Ids of one millisecond have no order.
    api.clock.advance(1);
    const response = await api.request("POST", "/v1/api-keys", { body });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    return newApiKeySchema.parse(await response.json());
  }

  it("API keys are made with a name and scopes, shown once, and listed without the key", async () => {
    const { key, ...made } = await create({ name: "ci", scopes: ["subscriptions:read"] });
    expect(apiKeyForm(key)).toBe("checked");
    expect(await statusWith(key)).toBe(200);
    const list = await api.request("GET", "/v1/api-keys?limit=1");
    const text = await list.text();
    expect((apiKeyPageSchema.parse(JSON.parse(text)) as Json).data).toEqual([made]);
    expect(text).not.toContain(key);
    expect(await api.sql(`select 1 from api_keys where key_hash = $1`, [key])).toEqual([]);
  });

  it("API keys stop working here as soon as they are revoked", async () => {
    const { key, id } = await create({ name: "gone", scopes: ["admin"] });
    expect(await statusWith(key)).toBe(200);
    expect((await api.request("DELETE", `/v1/api-keys/${id}`)).status).toBe(204);
    expect(await statusWith(key)).toBe(401);
    expect((await api.request("DELETE", `/v1/api-keys/${id}`)).status).toBe(204);
    const unknown = publicId("apiKey", api.uuid());
    expect((await api.request("DELETE", `/v1/api-keys/${unknown}`)).status).toBe(404);
    expect(await problemOf(await api.request("DELETE", "/v1/api-keys/1"))).toMatchObject({
      detail: "There is no such API key. The id of an API key is key_ and 32 hex digits.",
    });
  });

  it.each<[object, string]>([
    [{ name: "" }, "/name"],
    [{ name: "a\nb" }, "/name"],
    [{ name: "bootstrap" }, "/name"],
    [{ scopes: [] }, "/scopes"],
    [{ scopes: ["root"] }, "/scopes/0"],
    [{ scopes: ["admin", "admin"] }, "/scopes"],
    [{ expires_at: "tomorrow" }, "/expires_at"],
    [{ expires_at: "2020-01-01T00:00:00Z" }, "/expires_at"],
  ])("an API key request of %j is refused", async (change, pointer) => {
    const body = { name: "bad", scopes: ["admin"], ...change };
    const response = await api.request("POST", "/v1/api-keys", { body });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer }]);
  });
});

describe("ensureApiKey", () => {
  const ensure = (key: string, nowMs = api.clock.now()) =>
    ensureApiKey(api.database, {
      id: api.uuid(),
      projectId: api.projectId,
      name: "bootstrap",
      key,
      scopes: ["admin"],
      nowMs,
    });
  /** Past everything that is remembered of keys. */
  const settle = () => api.clock.advance(5_000);

  it("ensuring an API key creates it once, however often it is repeated", async () => {
    await Promise.all([ensure("rb_first"), ensure("rb_first")]);
    await ensure("rb_first");
    expect(await statusWith("rb_first")).toBe(200);
    expect(await api.sql(`select id from api_keys where name = 'bootstrap'`)).toHaveLength(1);
  });

  it("ensuring an API key ends the one of the same name before it, which is valid again when it is ensured again", async () => {
    await ensure("rb_second");
    settle();
    expect(await statusWith("rb_second")).toBe(200);
    expect(await statusWith("rb_first")).toBe(401);
    await ensure("rb_first");
    settle();
    expect(await statusWith("rb_first")).toBe(200);
    expect(await statusWith("rb_second")).toBe(401);
  });

  it("ensuring an API key that was revoked leaves it revoked, and says so", async () => {
    expect(await ensure("rb_third")).toBe("added");
    const [row] = await api.sql(
      `select id from api_keys where name = 'bootstrap' and revoked_at is null`,
    );
    const id = publicId("apiKey", row.id);
    expect((await api.request("DELETE", `/v1/api-keys/${id}`)).status).toBe(204);
    expect(await ensure("rb_third")).toBe("revoked");
    settle();
    expect(await statusWith("rb_third")).toBe(401);
  });

  it("ensuring an API key that was revoked after another replaced it leaves it revoked", async () => {
    await ensure("rb_fourth");
    const [row] = await api.sql(
      `select id from api_keys where name = 'bootstrap' and revoked_at is null`,
    );
    await ensure("rb_fifth");
    const id = publicId("apiKey", row.id);
    expect((await api.request("DELETE", `/v1/api-keys/${id}`)).status).toBe(204);
    expect(await ensure("rb_fourth")).toBe("revoked");
    settle();
    expect(await statusWith("rb_fourth")).toBe(401);
    expect(await statusWith("rb_fifth")).toBe(200);
  });
});

describe("signing secrets", () => {
  const column = "signing_secrets.secret";
  const sealedSecret = (plain: string) => {
    const id = api.uuid();
    return { id, sealed: api.secretBox.seal(plain, { column, id }) };
  };
  const opened = ({ id, sealed }: { id: string; sealed: string }) =>
    api.secretBox.open(sealed, { column, id });
  const secretOf = (letter: string) => `whsec_${Buffer.alloc(24, letter).toString("base64")}`;
  const ensure = (secret: string, isWanted = (stored: string) => stored === secret) =>
    ensureSigningSecret(api.database, {
      ...sealedSecret(secret),
      projectId: api.projectId,
      scheme: "v1",
      publicKey: null,
      nowMs: api.clock.now(),
      isWanted: (stored) => isWanted(opened(stored)),
    });
  async function list(): Promise<Json[]> {
    const response = await api.request("GET", "/v1/signing-secrets");
    expect(response.headers.get("cache-control")).toBe("no-store");
    return signingSecretPageSchema.parse(await response.json()).data as Json[];
  }

  it("signing secrets show the current one, which verifies callbacks", async () => {
    expect(await list()).toEqual([]);
    await Promise.all([ensure(secretOf("a"), () => true), ensure(secretOf("b"), () => true)]);
    const [secret, ...others] = await list();
    expect(others).toEqual([]);
    expect([secretOf("a"), secretOf("b")]).toContain(secret.secret);
    expect(secret).toMatchObject({ is_current: true, expires_at: null });
  });

  it("signing secrets are kept while the environment wants them, and replaced when it wants another", async () => {
    const kept = await ensure(secretOf("c"));
    expect(await ensure(secretOf("c"))).toBe(kept);
    expect(await ensure(secretOf("d"), () => true)).toBe(kept);
    expect(await list()).toMatchObject([{ secret: secretOf("c") }]);
    await ensure(secretOf("e"));
    expect(await list()).toMatchObject([{ secret: secretOf("e") }]);
    const rows = await api.sql(`select secret from signing_secrets`);
    expect(JSON.stringify(rows)).not.toContain("whsec_");
  });
});

describe("GET /v1/providers", () => {
  it("GET /v1/providers lists the providers whose jobs can be watched", async () => {
    const response = await api.request("GET", "/v1/providers");
    const { data }: Json = providerPageSchema.parse(await response.json());
    expect(data).toContainEqual(
      expect.objectContaining({
        name: "pulse",
        base_url: "https://api.runpulse.com",
        params: [],
        supports_cancel: true,
        default_deadline_s: 172_800,
      }),
    );
  });
});
