import { describe, expect, test } from "vitest";
import { startSandbox } from "../sandbox-harness.ts";

type Sandbox = ReturnType<typeof startSandbox>;

async function statuses(sandbox: Sandbox, id: string, times: number): Promise<number[]> {
  const seen: number[] = [];
  for (let time = 0; time < times; time += 1) seen.push((await sandbox.ask(id)).status);
  return seen;
}

describe("a job misbehaves as asked", () => {
  test("flaky_500 fails every other request, the first included", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ misbehaviour: "flaky_500" });
    expect(await statuses(sandbox, id, 4)).toEqual([500, 200, 500, 200]);
  });

  test("rate_limited answers every third request with 429, Retry-After and Pulse's code", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ misbehaviour: "rate_limited" });
    expect(await statuses(sandbox, id, 2)).toEqual([200, 200]);
    const response = await sandbox.ask(id);
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ error: { code: "GENERAL_004" } });
    expect(await statuses(sandbox, id, 1)).toEqual([200]);
  });

  test("slow answers after two seconds, with the state of that moment", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 2, misbehaviour: "slow" });
    const answer = sandbox.ask(id);
    await sandbox.clock.advanceSettling(1999);
    expect(sandbox.clock.nextTimerMs).toBe(1);
    await sandbox.clock.advanceSettling(1);
    expect(await (await answer).json()).toMatchObject({ status: "completed" });
  });

  test("not_found_first is not visible twice", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ misbehaviour: "not_found_first" });
    expect(await statuses(sandbox, id, 4)).toEqual([404, 404, 200, 200]);
  });

  test("unknown_status has an unknown status while processing, and ends as usual", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 3, misbehaviour: "unknown_status" });
    sandbox.clock.advance(1500);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({ status: "reticulating" });
    sandbox.clock.advance(1500);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({ status: "completed" });
  });

  test("garbage answers 200 with something other than JSON, every other time", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ misbehaviour: "garbage" });
    const first = await sandbox.ask(id);
    expect(first.status).toBe(200);
    await expect(first.json()).rejects.toThrow(SyntaxError);
    expect(await (await sandbox.ask(id)).json()).toMatchObject({ job_id: id });
  });

  test("unauthorized refuses the credential of the first request, and accepts another", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ misbehaviour: "unauthorized" });
    expect(await statuses(sandbox, id, 3)).toEqual([401, 401, 401]);
    expect((await sandbox.ask(id, "key-2")).status).toBe(200);
    const again = await sandbox.ask(id);
    expect(await again.json()).toMatchObject({ error: { code: "AUTH_002" } });
  });

  test("one job's misbehavior does not affect another's", async () => {
    const sandbox = startSandbox();
    await sandbox.ask(await sandbox.submitted({ misbehaviour: "flaky_500" }));
    expect((await sandbox.ask(await sandbox.submitted())).status).toBe(200);
  });
});
