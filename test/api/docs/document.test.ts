import { createConfig, lintFromString } from "@redocly/openapi-core";
import { default as spectralCore } from "@stoplight/spectral-core";
import { default as spectralRulesets } from "@stoplight/spectral-rulesets";
import type { RulesetDefinition } from "@stoplight/spectral-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROBLEMS } from "../../../src/core/error-codes.ts";
import { EVENT_TYPES } from "../../../src/core/delivery/event.ts";
import { OPERATIONAL_EVENT_TYPES } from "../../../src/core/delivery/operational-event.ts";
import { DescribedAnswers } from "../../support/described-answers.ts";
import { ApiFixture, type Json, problemOf, PUBLIC_URL } from "../api-fixture.ts";

/* The served document's promises to those who generate clients from it. */

let api: ApiFixture;
let text: string;
let document: Json;

beforeAll(async () => {
  api = await ApiFixture.open();
  text = await (await api.request("GET", "/openapi.json", { key: null })).text();
  document = JSON.parse(text);
});
afterAll(() => api.close());

describe("the document", () => {
  it("the document passes redocly's recommended rules without a warning", async () => {
    const config = await createConfig({ extends: ["recommended"], telemetry: "off" });
    // One of the rules is that the gateway's address is not that of an example.
    const source = text.replaceAll(PUBLIC_URL, "https://ringback.acme.test");
    const problems = await lintFromString({ source, config });
    expect(problems.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
  });

  it("the document passes spectral's recommended rules without a warning", async () => {
    const spectral = new spectralCore.Spectral();
    const { oas } = spectralRulesets;
    if (!isRuleset(oas)) throw new Error("spectral's rules for OpenAPI have another form");
    spectral.setRuleset({ extends: [[oas, "recommended"]] });
    const results = await spectral.run(document);
    expect(
      results.map(({ code, path, message }) => `${code} ${path.join("/")}: ${message}`),
    ).toEqual([]);
  }, 300_000);

  it("the document has a license, a contact, and one security for all", () => {
    const { info, security } = document;
    expect(info).toMatchObject({ license: { name: "MIT" }, contact: { url: expect.any(String) } });
    expect(security).toEqual([{ apiKey: [] }]);
  });

  it("the document has an example of each body that is asked for and answered", () => {
    const bodies = eachObject(document.paths).filter(({ content }) => content !== undefined);
    expect(bodies.length).toBeGreaterThan(100);
    for (const { content } of bodies) {
      for (const media of Object.values<Json>(content)) {
        if (media.schema.format !== "binary") expect(media).toHaveProperty("example");
      }
    }
  });

  it("the document names the problem of every refusal, and every code", () => {
    for (const [path, item] of Object.entries<Json>(document.paths)) {
      for (const { responses } of Object.values<Json>(item)) {
        for (const key of ["4XX", "default"]) {
          const { schema } = responses[key].content["application/problem+json"];
          expect(schema, path).toEqual({ $ref: "#/components/schemas/Problem" });
          expect(responses[key].headers).toHaveProperty("Retry-After");
          expect(responses[key].headers).toHaveProperty("RateLimit");
        }
      }
    }
    expect(document.components.schemas.ErrorCode.enum).toEqual(Object.keys(PROBLEMS));
    expect(document.components.schemas.Problem.properties.code.$ref).toContain("/ErrorCode");
  });

  it("the document has no default, which generators would send, and says it in the description", () => {
    const withDefault = eachObject(document).filter(
      (one) => "default" in one && !("200" in one || "4XX" in one || "2XX" in one),
    );
    expect(withDefault).toEqual([]);
    const { payload } = document.components.schemas.SubscriptionRequest.properties;
    expect(payload.description).toContain('Default: `"full"`');
  });

  it("the document names what a union is told apart by, and closes nothing that is answered", () => {
    for (const { oneOf, discriminator } of eachObject(document)) {
      if (oneOf !== undefined) expect(discriminator, JSON.stringify(oneOf)).toBeDefined();
    }
    for (const { allOf = [] } of eachObject(document)) {
      for (const part of allOf) expect(part).not.toHaveProperty("additionalProperties", false);
      // An enum or null would be asked to be both at once.
      for (const part of allOf) expect([part.type].flat()).not.toContain("null");
    }
    const answered = new Set<string>();
    const bodies = Object.values<Json>(document.paths).flatMap((item) =>
      Object.values<Json>(item).map(({ responses }) => responses),
    );
    for (const found of reached([bodies, document.webhooks], answered)) {
      expect(found).not.toHaveProperty("additionalProperties", false);
    }
    expect([...answered]).toContain("Subscription");
    expect([...answered]).not.toContain("SubscriptionRequest");
  });

  it.each([
    "EventType",
    "Attempt",
    "ErrorCode",
    "Subscription",
    "Problem",
    "Delivery",
    "JobStatus",
  ])("the document has a schema named %s", (name) => {
    expect(document.components.schemas).toHaveProperty(name);
  });
});

describe("the webhooks", () => {
  it("the webhooks are one for each type of event, told apart by it, with the status that goes with it", () => {
    const types = [...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES, "ringback.test"];
    expect(Object.keys(document.webhooks)).toEqual(types);
    const { schemas } = document.components;
    const { discriminator, oneOf } = schemas.WebhookEvent;
    expect(discriminator.propertyName).toBe("type");
    expect(Object.keys(discriminator.mapping)).toEqual(types);
    expect(oneOf).toHaveLength(types.length);
    expect(schemas.JobTimedOutEvent.properties.data.properties.status.enum).toEqual(["timed_out"]);
    expect(schemas.JobProgressEvent.properties.data.properties.status.enum).toEqual(["processing"]);
  });
});

describe("a page about an error", () => {
  it("a page about an error is where the type of a problem leads", async () => {
    const response = await api.request("GET", "/v1/subscriptions?limit=x");
    const { type } = await problemOf(response);
    const page = await api.request("GET", type, { key: null });
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).toContain("<code>invalid_query</code>");
  });

  it("a page about an error is there for every code, and for no other", async () => {
    for (const code of Object.keys(PROBLEMS)) {
      expect((await api.request("GET", `/docs/errors/${code}`, { key: null })).status).toBe(200);
    }
    for (const code of ["nothing", "constructor", "__proto__"]) {
      const response = await api.request("GET", `/docs/errors/${code}`, { key: null });
      expect(await problemOf(response)).toMatchObject({ code: "not_found" });
    }
  });
});

describe("an answer that is checked against the document", () => {
  const head = (status: number, type = "application/json", path = "/healthz") => ({
    method: "GET",
    path,
    status,
    headers: new Headers({ "content-type": type, "x-request-id": "a" }),
  });
  let described: DescribedAnswers;
  beforeAll(() => {
    described = new DescribedAnswers(document);
  });
  const check = (answer: ReturnType<typeof head>, body: object): Promise<void> =>
    described.check(answer, async () => JSON.stringify(body));

  it("an answer that is checked against the document may be what is described, and nothing else", async () => {
    await check(head(200), { status: "ok" });
    await expect(check(head(200), { status: "well" })).rejects.toThrow("/status");
    await expect(check(head(200), {})).rejects.toThrow("required");
    await expect(check(head(200), { status: "ok", more: 1 })).rejects.toThrow("more");
    await expect(check(head(202), { status: "ok" })).rejects.toThrow("status or content type");
    await expect(check(head(200, "text/plain"), {})).rejects.toThrow("status or content type");
  });

  it("an answer that is checked against the document needs its headers", async () => {
    const problem = head(429, "application/problem+json", "/v1/subscriptions");
    const body = { type: "a", title: "b", status: 429, detail: "c", code: "too_many_requests" };
    await expect(check(problem, body)).rejects.toThrow("no retry-after; it has no ratelimit");
    problem.headers.set("retry-after", "1");
    problem.headers.set("ratelimit", '"requests";r=0;t=1');
    await check(problem, body);
    await expect(check(problem, { ...body, code: "unheard_of" })).rejects.toThrow("/code");
  });
});

/** Their own type does not allow for what they leave out. */
function isRuleset(rules: object): rules is RulesetDefinition {
  return "rules" in rules;
}

/** Every object within, itself included. */
function eachObject(value: Json): Json[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values<Json>(value).flatMap(eachObject);
  return Array.isArray(value) ? inner : [value, ...inner];
}

/** Every object within and in the schemas it refers to. */
function reached(value: Json, names: Set<string>): Json[] {
  return eachObject(value).flatMap((one) => {
    const name: string | undefined = one.$ref?.split("/schemas/")[1];
    if (name === undefined || names.has(name)) return [one];
    names.add(name);
    return [one].concat(reached(document.components.schemas[name], names));
  });
}
