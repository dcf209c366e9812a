import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Ringback, type Job, type RingbackOptions } from "../../src/client/ringback.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* Watching jobs and waiting for their ends, with a whole gateway and its sandbox. */

const NUMBERS = `{"decimal":1.10,"integer":12345678901234567890,"text":"f\\u00fcr a/b 🙂"}`;
const SUBSCRIPTION_ID = "sub_019b76da98007034a5b6c7d8e9f00112";

let gateway: TestGateway;
let ringback: Ringback;
let callbackUrl: string;

beforeAll(async () => {
  gateway = await startTestGateway({ RINGBACK_SANDBOX: "1" });
  ringback = new Ringback({ url: gateway.url, apiKey: API_KEY });
  callbackUrl = `${gateway.url}/sandbox/inbox/client`;
});
afterAll(() => gateway.discard());

/** A job of the sandbox, as its API answers the submission. */
async function submit(body: string): Promise<{ readonly job_id: string; readonly status: string }> {
  const answer = await fetch(`${gateway.url}/sandbox/jobs`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body,
  });
  return (await answer.json()) as { job_id: string; status: string };
}

describe("wait", () => {
  test("wait returns the ending of a watched job with every digit of its result", async () => {
    const job = await submit(`{"duration_s": 0.2, "result": ${NUMBERS}}`);
    const subscription = await ringback.watch(job, {
      provider: "sandbox",
      callbackUrl,
      metadata: { invoice: 17 },
    });
    const ending = await ringback.wait(subscription);
    expect(ending).toMatchObject({
      type: "job.completed",
      id: expect.stringMatching(/^msg_/),
      data: {
        job_id: job.job_id,
        status: "completed",
        subscription_id: subscription.id,
        metadata: { invoice: 17 },
      },
    });
    expect(ending.type === "job.completed" && (await ending.rawResult())).toBe(NUMBERS);
  });

  test("wait fetches a result that is too large to be included", async () => {
    const job = await submit(`{"duration_s": 0, "result_bytes": 5000}`);
    const ending = await ringback.wait(
      await ringback.watch(job, { provider: "sandbox", callbackUrl }),
    );
    expect(ending.data).toHaveProperty("result_url");
    const result = ending.type === "job.completed" ? await ending.result() : null;
    expect(JSON.stringify(result).length).toBeGreaterThan(5000);
  });

  test.each(["failed", "canceled"])("wait says that a job is %s, and why", async (outcome) => {
    const job = await submit(`{"duration_s": 0, "outcome": "${outcome}"}`);
    await ringback.watch(job, { provider: "sandbox", callbackUrl });
    const ending = await ringback.wait({ job_id: job.job_id, provider: "sandbox" });
    expect(ending).toMatchObject({ type: `job.${outcome}`, data: { status: outcome } });
  });

  test("wait ends at its time limit and leaves the subscription as it is", async () => {
    const job = await submit(`{"duration_s": 600}`);
    const { id } = await ringback.watch(job, { provider: "sandbox", callbackUrl });
    await expect(ringback.wait(id, { timeoutMs: 300 })).rejects.toMatchObject({
      code: "wait_timed_out",
      message: `The job of ${id} had not ended after 300 ms. It is still watched: wait again, or longer.`,
    });
    expect(await ringback.subscriptions.get(id)).toMatchObject({ status: "active" });
    await ringback.subscriptions.delete(id);
    await expect(ringback.wait(id)).rejects.toMatchObject({ code: "subscription_closed" });
  });

  test("wait ends when its signal is aborted", async () => {
    const job = await submit(`{"duration_s": 600}`);
    const { id } = await ringback.watch(job, { provider: "sandbox", callbackUrl });
    const controller = new AbortController();
    const wait = ringback.wait(id, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(wait).rejects.toThrow("enough");
  });

  test("wait says that a job is not watched", async () => {
    await expect(ringback.wait("never-watched")).rejects.toMatchObject({
      code: "not_watched",
      message: expect.stringContaining("never-watched"),
    });
  });
});

describe("without a gateway", () => {
  /** A client whose requests get these answers, and whose time passes only between tries. */
  function createScene(answers: readonly (Response | Error)[]) {
    const asked: string[] = [];
    const script = [...answers];
    const sleep: RingbackOptions["sleep"] = (ms) =>
      ms <= 8000 ? Promise.resolve() : new Promise(() => undefined);
    const client = new Ringback({
      url: "http://127.0.0.1",
      apiKey: "rb_x",
      sleep,
      fetch: async (url, init) => {
        asked.push(`${url.slice("http://127.0.0.1".length)} ${JSON.stringify(init.body ?? "")}`);
        const answer = script.shift();
        if (answer instanceof Response) return answer;
        throw answer ?? new Error("The script has ended.");
      },
    });
    return { client, asked };
  }

  const ENDING = () =>
    Response.json(
      { type: "job.failed", timestamp: "", data: {} },
      { headers: { "webhook-id": "msg_1" } },
    );
  const RUNNING = () => new Response(null, { status: 204 });

  test("wait asks again as long as the job runs", async () => {
    const { client, asked } = createScene([RUNNING(), RUNNING(), ENDING()]);
    expect(await client.wait(SUBSCRIPTION_ID)).toMatchObject({ type: "job.failed", id: "msg_1" });
    expect(asked).toEqual(
      Array.from({ length: 3 }, () => `/v1/subscriptions/${SUBSCRIPTION_ID}/wait?timeout_s=50 ""`),
    );
  });

  test("wait with a time limit survives a long absence of the gateway", async () => {
    const away = Array.from({ length: 30 }, () => new TypeError("fetch failed"));
    const { client } = createScene([...away, ENDING()]);
    expect(await client.wait(SUBSCRIPTION_ID, { timeoutMs: 3_600_000 })).toMatchObject({
      id: "msg_1",
    });
    const impatient = createScene(away);
    await expect(impatient.client.wait(SUBSCRIPTION_ID)).rejects.toMatchObject({
      code: "network_error",
    });
  });

  test.each<[Job, object]>([
    ["job-1", { job_id: "job-1" }],
    [{ jobId: "job-1" }, { job_id: "job-1" }],
    [{ id: "job-1", status: "queued" } as Job, { job_id: "job-1" }],
    [
      { job_id: "job-1", provider: "acme", connection: "eu", status: "queued" } as Job,
      { job_id: "job-1", provider: "acme", connection: "eu" },
    ],
  ])("watch accepts %j as a job", async (job, named) => {
    const { client, asked } = createScene([Response.json({})]);
    await client.watch(job, { callbackUrl: "https://app.example.com", fetchResult: true });
    const body = JSON.stringify({
      ...named,
      callback_url: "https://app.example.com",
      fetch_result: true,
    });
    expect(asked).toEqual([`/v1/subscriptions ${JSON.stringify(body)}`]);
  });
});
