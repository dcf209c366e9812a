import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomBytes } from "node:crypto";
import type { Api } from "../support/api-client.ts";
import { pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import type { FakeUpstream } from "../support/fake-upstream.ts";
import { addProject } from "../support/second-project.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { UPSTREAM_KEY } from "./scene.ts";

/*
 * The operator sends polls of Pulse to a loopback address and serves the sandbox. Neither lets
 * projects send requests of their own there.
 */

let gateway: TestGateway;
let pulse: FakeUpstream;
let other: Api;
beforeAll(async () => {
  pulse = await startFakeUpstream();
  const settings = {
    RINGBACK_EGRESS_ALLOW: "",
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    RINGBACK_SANDBOX: "1",
    PULSE_API_KEY: UPSTREAM_KEY,
    PULSE_BASE_URL: pulse.origin,
  };
  gateway = await startTestGateway(settings);
  other = await addProject(gateway, "other", settings);
});
afterAll(async () => {
  await gateway.discard();
  await pulse.close();
});

/** A definition that would send `DELETE /admin`. */
const intruder = (baseUrl: string) => ({
  title: "Intruder",
  base_url: baseUrl,
  auth: { kind: "none" },
  status: { path: "/admin" },
  cancel: { method: "DELETE", path: "/admin" },
  rules: [{ all: [{ pointer: "/status", eq: "processing" }], observe: "running" }],
  result: { kind: "inline", at: ["/result"] },
});

test("the operator's own connection is polled, and its callbacks reach the sandbox's inbox", async () => {
  pulse.answer("job-1", pulseAnswer.completed());
  const { status, body } = await gateway.api("POST", "/v1/subscriptions", {
    job_id: "job-1",
    callback_url: `${gateway.url}/sandbox/inbox/own`,
  });
  expect(status).toBe(201);
  const deliveries = await gateway.until(
    `/v1/subscriptions/${body.id}/deliveries`,
    ({ data }) => data[0]?.status === "delivered",
  );
  expect(deliveries.data).toHaveLength(1);
});

describe.each([
  ["the upstream that the operator named", () => pulse.origin],
  ["the gateway itself", () => gateway.url],
])("%s is closed", (_, origin) => {
  test.each([
    ["to another project", () => other],
    ["to the operator's project", () => gateway.api],
  ])("%s is closed to a definition of a project", async (__, api) => {
    const put = await api()("PUT", "/v1/providers/intruder", intruder(origin()));
    expect(put).toMatchObject({
      status: 422,
      body: {
        errors: [{ pointer: "/base_url", detail: expect.stringMatching(/use https|not public/) }],
      },
    });
  });

  test("an address that the operator trusts is closed to another project's connection of a built-in provider", async () => {
    for (const provider of ["pulse", "fal"]) {
      const made = await other("POST", "/v1/connections", {
        provider,
        name: "inwards",
        credential: UPSTREAM_KEY,
        base_url: origin(),
      });
      expect(made).toMatchObject({ status: 422, body: { code: "base_url_refused" } });
    }
  });

  test("an address that the operator trusts is closed to callbacks of every project", async () => {
    for (const api of [gateway.api, other]) {
      const tried = await api("POST", "/v1/callbacks/test", { callback_url: `${origin()}/admin` });
      expect(tried).toMatchObject({ status: 422, body: { code: "callback_url_refused" } });
    }
  });
});
