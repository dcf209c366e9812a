import { createPublicKey } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  jwksSchema,
  signingKeyPageSchema,
  signingKeySchema,
  signingSecretPageSchema,
  signingSecretSchema,
} from "../../src/api/http/response-schemas.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import { newSigningKeyPair } from "../../src/runtime/secrets/new-signing-secrets.ts";
import { ensureSigningSecret } from "../../src/store/projects/signing-secrets.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

const column = "signing_secrets.secret";
const sealedSecret = (plain: string) => {
  const id = api.uuid();
  return { id, sealed: api.secretBox.seal(plain, { column, id }) };
};
const opened = ({ id, sealed }: { id: string; sealed: string }) =>
  api.secretBox.open(sealed, { column, id });
const HOUR_MS = 3_600_000;

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.sql(`truncate signing_secrets`);
  api.clock.advance(1000);
});

const whsec = (bytes: number, letter = "a") =>
  `whsec_${Buffer.alloc(bytes, letter).toString("base64")}`;

async function rotate(body?: object): Promise<Json> {
  const response = await api.request("POST", "/v1/signing-secrets/rotate", { body });
  if (response.status !== 200) return problemOf(response);
  expect(response.headers.get("cache-control")).toBe("no-store");
  return signingSecretSchema.parse(await response.json());
}

async function secrets(): Promise<Json[]> {
  const response = await api.request("GET", "/v1/signing-secrets");
  return signingSecretPageSchema.parse(await response.json()).data as Json[];
}

const inMs = (ms: number) => new Date(api.clock.now() + ms).toISOString();

describe("POST /v1/signing-secrets/rotate", () => {
  it("POST /v1/signing-secrets/rotate makes a new secret; the one before signs along for a day unless said otherwise", async () => {
    const first = await rotate();
    const second = await rotate();
    expect(second).toMatchObject({ is_current: true, expires_at: null });
    expect(second.secret).not.toBe(first.secret);
    expect(await secrets()).toEqual([
      second,
      { ...first, is_current: false, expires_at: inMs(24 * HOUR_MS) },
    ]);
    expect(api.calls.at(-1)).toEqual(["signingSecretsChanged", api.projectId]);
    api.clock.advance(24 * HOUR_MS);
    expect(await secrets()).toEqual([second]);
  });

  it("POST /v1/signing-secrets/rotate ends every earlier secret at once without an overlap", async () => {
    await rotate({});
    await rotate({ overlap_s: 604_800 });
    const last = await rotate({ overlap_s: 0 });
    expect(await secrets()).toEqual([last]);
  });

  it("POST /v1/signing-secrets/rotate lets none sign longer than the overlap that was given last", async () => {
    await rotate();
    await rotate({ overlap_s: 7200 });
    await rotate({ overlap_s: 3600 });
    const expiries = (await secrets()).map(({ expires_at: at }) => at);
    expect(expiries).toEqual([null, inMs(HOUR_MS), inMs(HOUR_MS)]);
    await rotate({ overlap_s: 7200 });
    const later = (await secrets()).map(({ expires_at: at }) => at);
    expect(later).toEqual([null, inMs(2 * HOUR_MS), inMs(HOUR_MS), inMs(HOUR_MS)]);
  });

  it("POST /v1/signing-secrets/rotate takes a secret that the caller made", async () => {
    expect(await rotate({ secret: whsec(64) })).toMatchObject({ secret: whsec(64) });
  });

  it.each([
    [{ overlap_s: -1 }, "/overlap_s"],
    [{ overlap_s: 604_801 }, "/overlap_s"],
    [{ overlap_s: 1.5 }, "/overlap_s"],
    [{ overlap_s: "3600" }, "/overlap_s"],
    [{ secret: "whsec_" }, "/secret"],
    [{ secret: whsec(23) }, "/secret"],
    [{ secret: whsec(65) }, "/secret"],
    [{ secret: "hunter2" }, "/secret"],
    [{ overlap: 5 }, "/overlap"],
  ])("POST /v1/signing-secrets/rotate refuses %j and changes nothing", async (body, pointer) => {
    expect(await rotate(body)).toMatchObject({ code: "validation_failed", errors: [{ pointer }] });
    expect(await secrets()).toEqual([]);
  });

  it("POST /v1/signing-secrets/rotate lets no more than ten sign at once, until earlier ones have ended", async () => {
    for (let secret = 0; secret < 10; secret += 1) await rotate();
    const refused = await rotate({ overlap_s: 60 });
    expect(refused).toMatchObject({
      code: "too_many_signing_secrets",
      detail: expect.stringContaining(inMs(24 * HOUR_MS)),
    });
    expect(await secrets()).toHaveLength(10);
    await rotate({ overlap_s: 0 });
    expect(await secrets()).toHaveLength(1);
  });

  it("POST /v1/signing-secrets/rotate leaves one current secret however many rotate at once", async () => {
    await Promise.all(Array.from({ length: 5 }, () => rotate()));
    const current = (await secrets()).filter(({ is_current: isCurrent }) => isCurrent);
    expect(current).toHaveLength(1);
  });
});

describe("the secret that the environment gives", () => {
  const ensure = (secret: string) =>
    ensureSigningSecret(api.database, {
      ...sealedSecret(secret),
      projectId: api.projectId,
      scheme: "v1",
      publicKey: null,
      fromEnvironment: true,
      nowMs: api.clock.now(),
      isWanted: (stored) => opened(stored) === secret,
    });
  const current = async () => (await secrets())[0]?.secret;

  it("the secret that the environment gives is no news at the next start, so that what was rotated since stays", async () => {
    await ensure(whsec(32, "a"));
    await rotate({ secret: whsec(32, "b") });
    await ensure(whsec(32, "a"));
    expect(await current()).toBe(whsec(32, "b"));
    await ensure(whsec(32, "c"));
    expect(await current()).toBe(whsec(32, "c"));
    await ensure(whsec(32, "a"));
    expect(await current()).toBe(whsec(32, "a"));
  });
});

describe("signing keys", () => {
  const open = (path: string) => api.request("GET", path, { key: null });

  async function rotateKey(body?: object): Promise<Json> {
    const response = await api.request("POST", "/v1/signing-keys/rotate", { body });
    expect(response.status).toBe(200);
    return signingKeySchema.parse(await response.json());
  }

  it("signing keys are read by anyone, as whpk_ and as a key set, the current one first", async () => {
    const first = await rotateKey();
    const second = await rotateKey({ overlap_s: 60 });
    const list = await open("/v1/signing-keys");
    expect(list.headers.get("cache-control")).toBe("public, max-age=300");
    const { data }: Json = signingKeyPageSchema.parse(await list.json());
    expect(data).toEqual([second, { ...first, is_current: false, expires_at: inMs(60_000) }]);
    const { keys } = jwksSchema.parse(await (await open("/v1/signing-keys/jwks")).json());
    expect(keys.map(({ kid }) => kid)).toEqual([second.id, first.id]);
    const x = Buffer.from(keys[0]?.x ?? "", "base64url").toString("base64");
    expect(second.public_key).toBe(`whpk_${x}`);
    api.clock.advance(60_000);
    const later = jwksSchema.parse(await (await open("/v1/signing-keys/jwks")).json());
    expect(later.keys.map(({ kid }) => kid)).toEqual([second.id]);
  });

  it("signing keys are those of the project that is named, by its id or its name", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "keys of another");
    const { secret, publicKey } = newSigningKeyPair();
    await ensureSigningSecret(api.database, {
      ...sealedSecret(secret),
      projectId,
      scheme: "v1a",
      publicKey,
      nowMs: api.clock.now(),
      isWanted: () => true,
    });
    for (const name of [publicId("project", projectId), "keys%20of%20another"]) {
      const { data }: Json = await (await open(`/v1/signing-keys?project=${name}`)).json();
      expect(data).toMatchObject([{ public_key: publicKey }]);
    }
    expect(await (await open("/v1/signing-keys/jwks")).json()).toEqual({ keys: [] });
  });

  it("signing keys never show a private half, and don't mix with secrets", async () => {
    await rotateKey();
    await rotate();
    expect(await secrets()).toHaveLength(1);
    const [row] = await api.sql(`select id, secret from signing_secrets where scheme = 'v1a'`);
    expect(row.secret).not.toContain("whsk_");
    expect(opened({ id: row.id, sealed: row.secret })).toMatch(/^whsk_/);
    expect(await (await open("/v1/signing-keys")).text()).not.toContain("whsk_");
  });

  it("signing keys do not reveal whether a project of that name exists", async () => {
    await rotateKey();
    const known = await open("/v1/signing-keys");
    const unknown = await open("/v1/signing-keys?project=absent");
    expect(unknown.status).toBe(known.status);
    const told = ({ headers }: Response) =>
      [...headers].filter(([name]) => name !== "x-request-id" && name !== "content-length");
    expect(told(unknown)).toEqual(told(known));
    const { data }: Json = signingKeyPageSchema.parse(await unknown.json());
    expect(data).toEqual([
      { ...data[0], object: "signing_key", is_current: true, expires_at: null },
    ]);
    // The same each time, and another for another name; a key set shows the same.
    const again: Json = await (await open("/v1/signing-keys?project=absent")).json();
    expect(again.data).toEqual(data);
    const set = jwksSchema.parse(await (await open("/v1/signing-keys/jwks?project=absent")).json());
    expect(set.keys.map(({ kid }) => kid)).toEqual([data[0].id]);
    const other: Json = await (await open("/v1/signing-keys?project=absent2")).json();
    expect(other.data[0].public_key).not.toBe(data[0].public_key);
    // A point of the curve, as every public key is.
    const [jwk] = set.keys;
    expect(createPublicKey({ key: jwk ?? {}, format: "jwk" }).asymmetricKeyType).toBe("ed25519");
  });

  it("signing keys refuse an unknown parameter", async () => {
    const wrong = await open("/v1/signing-keys?projekt=default");
    expect(await problemOf(wrong)).toMatchObject({ code: "invalid_query" });
  });
});
