import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildStatusRequest } from "../../src/providers/request/build.ts";
import type { UpstreamRequest } from "../../src/providers/request/upstream-request.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { type PreparedTarget, prepareTarget } from "../../src/providers/request/target.ts";
import type { JobReference } from "../../src/providers/language/template.ts";
import { exampleProvider } from "./example-provider.ts";

function targetOf(changes: Partial<ProviderDefinitionSource>): PreparedTarget {
  const credential = "secret";
  const preparation = prepareTarget(exampleProvider(changes), { baseUrl: null, credential });
  if (preparation.kind === "refused") throw new Error(preparation.problem);
  return preparation.target;
}

function statusRequest(target: PreparedTarget, job: JobReference): UpstreamRequest {
  const facts = { nowMs: 0, nextUrl: null, etag: null, mayLongPoll: false };
  const building = buildStatusRequest(target, job, facts);
  if (building.kind === "refused") throw new Error(building.problem);
  return building;
}

describe("values of templates", () => {
  test("a param may have a default, or be left out of the query", () => {
    const target = targetOf({
      params: { region: { default: "eu" }, location: { optional: true } },
      status: {
        path: "/{params.region}/{job_id}",
        query: { location: "{params.location}", full: "1" },
      },
    });
    const pathWith = (params: Record<string, string>) =>
      statusRequest(target, { jobId: "j", params }).path;
    expect(pathWith({})).toBe("/eu/j?full=1");
    expect(pathWith({ region: "us", location: "a&b" })).toBe("/us/j?full=1&location=a%26b");
    expect(pathWith({ region: "", location: "" })).toBe("/eu/j?full=1");
    expect(target.provider).toMatchObject({
      paramNames: ["region", "location"],
      requiredParams: [],
    });
  });

  test("a name with slashes may be several segments where the definition says so", () => {
    const target = targetOf({ status: { path: "/v1/{+job_id}:wait" } });
    const pathOfName = (jobId: string) => statusRequest(target, { jobId, params: {} }).path;
    expect(pathOfName("projects/p/operations/1")).toBe("/v1/projects/p/operations/1:wait");
    expect(pathOfName("../../admin?x#y")).toBe("/v1/%252E%252E/%252E%252E/admin%3Fx%23y:wait");
    fc.assert(
      fc.property(fc.stringMatching(/^[./\\%2eEfF?#;@a]+$/), (jobId) => {
        const path = pathOfName(jobId);
        expect(new URL(target.origin + path).pathname).toBe(path);
        expect(path.startsWith("/v1/")).toBe(true);
      }),
    );
  });

  test("headers, forms and JSON bodies are templates too, each value encoded for its place", () => {
    const body = {
      kind: "json",
      value: { id: "{job_id}", list: [1, null, "x{params.a}y{{z}}"], nested: { a: true } },
    } as const;
    const status = { method: "POST", path: "/", headers: { "x-of": "a {params.a}" } } as const;
    const job = { jobId: 'a"\\\n/ü', params: { a: "b\r\nx: ü&=" } };
    const json = statusRequest(targetOf({ status: { ...status, body } }), job);
    expect(JSON.parse(json.body ?? "")).toStrictEqual({
      id: job.jobId,
      list: [1, null, `x${job.params.a}y{z}`],
      nested: { a: true },
    });
    expect(json.headers).toMatchObject({
      "content-type": "application/json",
      "x-of": "a b%0D%0Ax%3A%20%C3%BC%26%3D",
    });
    const fields = { Action: "Get", "Job Id": "{job_id}" };
    const form = statusRequest(
      targetOf({ status: { ...status, body: { kind: "form", fields } } }),
      job,
    );
    expect(form.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(Object.fromEntries(new URLSearchParams(form.body ?? ""))).toStrictEqual({
      Action: "Get",
      "Job Id": job.jobId,
    });
  });
});
