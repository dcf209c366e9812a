import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { providerTrialSchema } from "../../src/api/providers/schema.ts";
import { exampleSource } from "../providers/example-provider.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
  await api.request("PUT", "/v1/providers/example", { body: exampleSource });
});
afterAll(() => api.close());
beforeEach(() => {
  api.calls.length = 0;
});

const post = (body: unknown, name = "example") =>
  api.request("POST", `/v1/providers/${name}/try`, { body });

async function tryOut(body: unknown, name?: string): Promise<Json> {
  const response = await post(body, name);
  expect(response.status).toBe(200);
  return providerTrialSchema.parse(await response.json());
}

const DONE = { status: 200, body: { status: "done", output: { pages: 3 } } };

describe("a sample answer", () => {
  it("a sample answer and the definition that is tried keep the digits of their numbers", async () => {
    const rule = `{"all":[{"pointer":"/status","eq":7615917337495251231}],"observe":"completed"}`;
    const definition = `${JSON.stringify({ ...exampleSource, rules: undefined }).slice(0, -1)},"rules":[${rule}]}`;
    const tryNumber = (number: string) =>
      tryOut(`{"definition":${definition},"answer":{"status":200,"body":{"status":${number}}}}`);
    expect(await tryNumber("7615917337495251231")).toMatchObject({
      steps: { decided_by: "/rules/0" },
    });
    expect(await tryNumber("7615917337495251000")).toMatchObject({
      steps: {
        decided_by: null,
        rules: [{ why: "/status must be 7615917337495251231, and is 7615917337495251000" }],
        observation: { unknown_status: "7615917337495251000" },
      },
    });
  });

  it("a sample answer is read step by step: the rules in order, what was found, and what follows", async () => {
    const trial = await tryOut({ answer: DONE });
    expect(trial).toMatchObject({
      object: "provider_trial",
      provider: "example",
      version: 1,
      asked: null,
      answer: null,
      failure: null,
      steps: {
        request: "status",
        http_status: 200,
        body: { is_json: true },
        rules: [
          {
            rule: "/rules/0",
            outcome: "did_not_match",
            why: '/status must be "running", and is "done"',
          },
          { rule: "/rules/1", outcome: "matched", why: null },
        ],
        decided_by: "/rules/1",
        observation: { kind: "completed" },
      },
      consequence: "The job ends: job.completed is delivered with the result.",
    });
    expect(trial.steps.extracted).toContainEqual({
      field: "/extract/status",
      found_at: "/status",
      value: '"done"',
    });
  });

  it("a sample answer keeps its digits", async () => {
    const body =
      '{"answer":{"status":200,"body":{"status":"done","output":12345678901234567890.10}}}';
    const trial = await tryOut(body);
    expect(JSON.stringify(trial.steps)).toContain("12345678901234567890.10");
  });

  it("a sample answer may be a text that is no JSON, or nothing at all", async () => {
    const text = await tryOut({ answer: { status: 502, body: "<h1>Bad gateway</h1>" } });
    expect(text.steps).toMatchObject({
      body: { is_json: false, why: "it is not JSON" },
      decided_by: null,
      observation: { kind: "retry", cause: "upstream_fault" },
    });
    const nothing = await tryOut({ answer: { status: 200 } });
    expect(nothing.steps.body).toMatchObject({ bytes: 0, why: "it is empty" });
  });

  it("a sample answer has headers, whatever their case", async () => {
    const headers = { "Retry-After": "17" };
    const trial = await tryOut({ answer: { status: 429, headers } });
    expect(trial.steps.observation).toMatchObject({ cause: "rate_limited", retry_after_s: 17 });
    expect(trial.consequence).toMatch(/^The connection pauses/);
  });

  it.each<[object, string]>([
    [{}, "not_visible_yet"],
    [{ age_s: 31 }, "absent"],
    [{ seen_before: true }, "absent"],
  ])("a sample answer of 404 is read according to %j", async (facts, meaning) => {
    const { steps } = await tryOut({ answer: { status: 404 }, ...facts });
    const { kind, cause } = steps.observation;
    expect(cause ?? kind).toBe(meaning);
  });

  it("a sample answer is read by a built-in definition as well", async () => {
    const answer = { status: 200, body: { status: "processing" } };
    const trial = await tryOut({ answer }, "pulse");
    expect(trial).toMatchObject({ provider: "pulse", version: null });
    expect(trial.steps.observation).toMatchObject({ kind: "running", phase: "processing" });
  });
});

describe("a definition that is not stored", () => {
  const definition = {
    ...exampleSource,
    rules: [{ http_status: 200, observe: "failed" }],
    result: {
      kind: "request",
      request: { path: "/files/{answer./file}" },
      rules: [{ http_status: 403, observe: "failed" }],
    },
  };

  it("a definition that is not stored is tried instead of the stored one, which stays as it is", async () => {
    const trial = await tryOut({ definition, answer: DONE });
    expect(trial).toMatchObject({ version: null, steps: { observation: { kind: "failed" } } });
    expect((await tryOut({ answer: DONE })).steps.observation.kind).toBe("completed");
  });

  it("a definition that is not stored is tried where nothing is stored", async () => {
    const trial = await tryOut({ definition: { ...definition, name: "new" }, answer: DONE }, "new");
    expect(trial.provider).toBe("new");
    expect((await api.request("GET", "/v1/providers/new")).status).toBe(404);
  });

  it("a definition that is not stored is tried on the answer to its second request", async () => {
    const answer = { status: 403, body: { error: "no" } };
    const { steps } = await tryOut({ definition, request: "result", answer });
    expect(steps).toMatchObject({
      request: "result",
      rules: [{ rule: "/result/rules/0", outcome: "matched" }],
      observation: { kind: "failed", error: "no" },
    });
  });

  it("a definition that is not stored is refused with the places that are wrong in it", async () => {
    const response = await post({ definition: { ...definition, rules: [] }, answer: DONE });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/definition/rules" }]);
  });
});

describe("a live job", () => {
  beforeAll(() => api.request("POST", "/v1/connections", { body: CONNECTION }));
  const CONNECTION = { provider: "example", credential: "example-secret" };

  it("a live job is asked about, and its answer told beside how it is read", async () => {
    api.liveTrialOutcome = {
      kind: "not_answered",
      asked: { method: "GET", url: "https://api.example.com/jobs/a" },
      reason: "No answer came.",
      consequence: "Later.",
    };
    expect(await tryOut({ job_id: "a", age_s: 5 })).toMatchObject({
      asked: { method: "GET", url: "https://api.example.com/jobs/a" },
      answer: null,
      failure: "No answer came.",
      steps: null,
      consequence: "Later.",
    });
    expect(api.calls.find(([call]) => call === "tryLive")?.[2]).toMatchObject({
      known: { source: "project", provider: { name: "example" } },
      job: { jobId: "a", params: {} },
      ageMs: 5000,
      seenBefore: false,
    });
  });

  it("that can't be asked about is a problem that says why", async () => {
    api.liveTrialOutcome = { kind: "not_asked", problem: "The connection is paused: by hand" };
    const response = await post({ job_id: "a" });
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({
      code: "upstream_not_asked",
      detail: "The connection is paused: by hand",
    });
  });
});

describe("a trial that makes no sense is refused", () => {
  it.each<[object, string[]]>([
    [{}, ["/answer"]],
    [{ answer: DONE, job_id: "a" }, ["/job_id"]],
    [{ answer: DONE, connection: "b", params: {} }, ["/params", "/connection"]],
    [{ answer: DONE, request: "result" }, ["/request"]],
    [{ job_id: "a", request: "result" }, ["/request"]],
    [{ answer: { status: 99 } }, ["/answer/status"]],
    [{ answer: { status: 200, headers: { a: 1 } } }, ["/answer/headers/a"]],
    [{ answer: { status: 200, text: "" } }, ["/answer/text"]],
    [{ answer: DONE, age_s: -1 }, ["/age_s"]],
    [{ answer: DONE, definition: [] }, ["/definition"]],
    [{ job_id: "a", connection: "absent" }, ["/connection"]],
    [{ job_id: "a", params: { region: "eu" } }, ["/params/region"]],
  ])("a trial of %j, which makes no sense, is refused", async (body, pointers) => {
    const response = await post(body);
    expect(response.status).toBe(422);
    const { errors } = await problemOf(response);
    expect(errors.map(({ pointer }: Json) => pointer)).toEqual(pointers);
    expect(api.calls.filter(([call]) => call === "tryLive")).toEqual([]);
  });

  it("a sample answer for a provider that does not exist is refused", async () => {
    expect((await post({ answer: DONE }, "absent")).status).toBe(404);
  });
});

describe("the answer to a submission", () => {
  const batch = { status: 200, body: { id: "batch_1", status: "validating" } };

  it("the answer to a submission shows the job that it would be read as having submitted, and by what", async () => {
    const trial = await tryOut(
      { answer: batch, submission: { path: "/v1/batches" } },
      "openai-batch",
    );
    expect(trial).toMatchObject({
      steps: null,
      submission: { job_id: "batch_1", params: {}, recognized_by: "/submit/0" },
      consequence: "The job is subscribed to, if the request names a callback.",
    });
  });

  it.each([
    ["openai-batch", { path: "/v1/files" }, "no entry of submit fits POST /v1/files"],
    ["example", { path: "/jobs" }, "the definition has no submit"],
    ["auto", { path: "/jobs", method: "DELETE" }, "nothing in the answer is known to mean a job"],
  ])(
    "a trial of a submission's answer of %s says why no job was found: %j",
    async (name, submission, why) => {
      const trial = await tryOut({ answer: batch, submission }, name);
      expect(trial["submission"]).toBeNull();
      expect(trial["consequence"]).toContain(why);
    },
  );

  it("the answer to a submission needs an answer, and is none to the second request", async () => {
    const answers = [
      await post({ submission: { path: "/x" } }),
      await post({ answer: batch, submission: { path: "/x" }, request: "result" }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([422, 422]);
  });
});
