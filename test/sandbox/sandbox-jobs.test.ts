import { describe, expect, test } from "vitest";
import { startSandbox } from "./sandbox-harness.ts";

const NOT_FOUND = { error: { code: "JOB_001", message: "Job not found", details: null } };

describe("a submitted job", () => {
  test("a submitted job has all the defaults when the body is empty", async () => {
    const sandbox = startSandbox();
    const response = await sandbox.submit("");
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({
      job_id: expect.stringMatching(/^sandbox-completed-3000ms-[0-9a-z]+-[0-9a-f]{8}-200b-none$/),
      status: "pending",
      message: expect.any(String),
    });
  });

  test("a submitted job is pending, then processing with progress, then completed with its result", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 10, result: { pages: [1, 2] } });
    const createdAt = "2026-01-01T00:00:00.000Z";
    expect(await (await sandbox.ask(id)).json()).toEqual({
      job_id: id,
      status: "pending",
      created_at: createdAt,
    });
    sandbox.clock.advance(5500);
    expect(await (await sandbox.ask(id)).json()).toEqual({
      job_id: id,
      status: "processing",
      created_at: createdAt,
      updated_at: "2026-01-01T00:00:01.000Z",
      result: { progress: { total: 10, completed: 5, failed: 0 } },
    });
    sandbox.clock.advance(4500);
    expect(await (await sandbox.ask(id)).json()).toEqual({
      job_id: id,
      status: "completed",
      created_at: createdAt,
      updated_at: "2026-01-01T00:00:10.000Z",
      result: { pages: [1, 2] },
    });
  });

  test.each([
    ["failed", { error: expect.any(String) }],
    ["canceled", {}],
    ["expired", { result: { message: expect.any(String) } }],
  ])("a submitted job ends as %s when requested", async (outcome, fields) => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 0, outcome });
    const response = await sandbox.ask(id);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      job_id: id,
      status: outcome,
      created_at: expect.any(String),
      updated_at: expect.any(String),
      ...fields,
    });
  });

  test("a submitted job never ends when requested", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 1, outcome: "never" });
    sandbox.clock.advance(30 * 86_400_000);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({ status: "processing" });
  });

  test("a submitted job returns its result digit for digit", async () => {
    const sandbox = startSandbox();
    const result = '{"n": 12345678901234567890, "x": 1.0, "s": "\\u00e9"}';
    const id = await sandbox.submitted(`{"duration_s": 0, "result": ${result}}`);
    expect(await (await sandbox.ask(id)).text()).toContain(`"result":${result}`);
  });

  test.each([0, 1, 999, 1024 * 1024])(
    "a submitted job makes a result with %d bytes of markdown",
    async (bytes) => {
      const sandbox = startSandbox();
      const id = await sandbox.submitted({ duration_s: 0, result_bytes: bytes });
      const { result } = (await (await sandbox.ask(id)).json()) as {
        result: { markdown: string; page_count: number };
      };
      expect(Buffer.byteLength(result.markdown)).toBe(bytes);
      expect(result.page_count).toBeGreaterThan(0);
    },
  );
});

describe("canceling", () => {
  test("canceling ends a running job as canceled at once and permanently", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 5 });
    sandbox.clock.advance(2000);
    const response = await sandbox.request(`/jobs/${id}`, { method: "DELETE" });
    expect(await response.json()).toEqual({ job_id: id, message: "Job canceled." });
    sandbox.clock.advance(60_000);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({
      status: "canceled",
      updated_at: "2026-01-01T00:00:02.000Z",
    });
  });

  test("canceling leaves an ended job unchanged", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 0 });
    const response = await sandbox.request(`/jobs/${id}`, { method: "DELETE" });
    expect(response.status).toBe(200);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({ status: "completed" });
  });
});

test.each(["GET", "DELETE"])("%s of an unknown job is Pulse's 404", async (method) => {
  const sandbox = startSandbox();
  const response = await sandbox.request("/jobs/unknown", { method });
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual(NOT_FOUND);
});

describe("a pointer", () => {
  test("a pointer leads to the result once, and is gone the second time", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 1, pointer: true, result: { a: 1 } });
    expect((await sandbox.request(`/downloads/${id}`)).status).toBe(404);
    sandbox.clock.advance(1000);
    const { result } = (await (await sandbox.ask(id)).json()) as { result: object };
    expect(result).toEqual({
      is_url: true,
      url: `http://127.0.0.1:8080/sandbox/downloads/${id}`,
    });
    expect(await (await sandbox.request(`/downloads/${id}`)).json()).toEqual({ a: 1 });
    expect((await sandbox.request(`/downloads/${id}`)).status).toBe(410);
  });
});

describe("bad input is refused with what to change", () => {
  test.each([
    ["{", "", /not valid JSON/],
    ["[]", "", /expected object/i],
    ["null", "", /expected object/i],
    ['{"duration_s": -1}', "/duration_s", />=\s*0/],
    ['{"duration_s": 86400.5}', "/duration_s", /<=\s*86400/],
    ['{"duration_s": "3"}', "/duration_s", /expected number/],
    ['{"outcome": "exploded"}', "/outcome", /completed/],
    ['{"result_bytes": 1048577}', "/result_bytes", /1048576/],
    ['{"result_bytes": 1.5}', "/result_bytes", /int/],
    ['{"result": 1, "result_bytes": 1}', "/result_bytes", /not both/],
    ['{"misbehaviour": "rude"}', "/misbehaviour", /flaky_500/],
    ['{"pointer": "yes"}', "/pointer", /boolean/],
    ['{"durations": 1}', "/durations", /known are duration_s/],
    ['{"a/b~c": 1}', "/a~1b~0c", /Unknown field/],
  ])("bad input is refused with what to change: %s", async (body, pointer, message) => {
    const sandbox = startSandbox();
    const response = await sandbox.submit(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        code: "SANDBOX_001",
        message: expect.stringMatching(message),
        details: [{ pointer, message: expect.stringMatching(message) }],
      },
    });
  });

  test("a body above the limit is refused with what to change", async () => {
    const sandbox = startSandbox();
    const response = await sandbox.submit({ result: "x".repeat(1024 * 1024 + 4096) });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: "SANDBOX_002" } });
  });

  test("a result nested too deep for a recursive reader is accepted", async () => {
    const sandbox = startSandbox();
    const result = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const id = await sandbox.submitted(`{"duration_s": 0, "result": ${result}}`);
    expect(await (await sandbox.ask(id)).text()).toContain(result);
  });
});
