import { expect, describe, test } from "vitest";
import type { TestContext } from "vitest";
import { useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { openJobApi } from "../support/job-api.ts";

const openScene = useScenes();

/** A watched job whose state a test sets, and how a client asks about it through the gateway. */
async function open(
  context: TestContext,
  fields: object = { serve_status: "cached" },
  body: object = {},
) {
  const scene = await openScene(context);
  const job = { status: "pending", body };
  const api = await openJobApi(context, ({ headers }) => ({
    headers: { etag: `"${job.status}"`, "x-of": "upstream", "set-cookie": "a=1" },
    ...(headers["if-none-match"] === `"${job.status}"` && { status: 304 }),
    body: { job_id: "j", status: job.status, ...job.body },
  }));
  const connection = await scene.connect({
    base_url: `${api.origin}/base`,
    settings: { poll_interval_s: 0.05 },
    ...fields,
  });
  const { id } = await scene.subscribe({ job_id: "j", connection: connection.name });
  // A busy machine may be slow to make the first poll.
  await scene.gateway.until(`/v1/subscriptions/${id}`, (of) => of.job.poll_count > 0);
  const ask = (path = "/job/j", headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${scene.gateway.url}/via/${connection.id}${path}`, {
      headers: { "x-api-key": API_KEY, ...headers },
    });
  const asked = () => api.requests.filter(({ headers }) => headers["x-client"] !== undefined);
  return { scene, job, api, connection, ask, asked };
}

const CLIENT = { "x-client": "1" };

describe.concurrent("the status of a watched job", () => {
  test("the status of a watched job is answered from its polls, however many ask, with its age", async (context) => {
    const { api, job, ask, asked, scene } = await open(context);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask("/job/j", CLIENT)));
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get("ringback-served-from")).toBe("cache");
      expect(answer.headers.get("ringback-job-id")).toBe("j");
      expect(answer.headers.get("age")).toMatch(/^\d+$/);
      expect(answer.headers.get("x-of")).toBe("upstream");
      expect(answer.headers.get("set-cookie")).toBeNull();
      expect(await answer.json()).toEqual({ job_id: "j", status: "pending" });
    }
    expect(asked()).toEqual([]);
    job.status = "completed";
    job.body = { result: 1.5 };
    await scene.receiver.takeOne(scene.path);
    const { length } = api.requests;
    const ended = await ask();
    expect(await ended.json()).toEqual({ job_id: "j", status: "completed", result: 1.5 });
    expect(ended.headers.get("ringback-served-from")).toBe("cache");
    expect(api.requests.length).toBe(length);
  });

  test("a status request that prefers to wait is held until the job moves", async (context) => {
    const { api, job, ask, asked } = await open(context);
    expect(await (await ask()).json()).toMatchObject({ status: "pending" });
    const held = ask("/job/j", { ...CLIENT, prefer: "respond-async, wait=60" });
    let isAnswered = false;
    void held.then(() => (isAnswered = true));
    const { length } = api.requests;
    // The shared `expect` belongs to whichever test began or ended last.
    await context.expect.poll(() => api.requests.length).toBeGreaterThan(length + 1);
    expect(isAnswered).toBe(false);
    job.status = "processing";
    expect(await (await held).json()).toMatchObject({ status: "processing" });
    expect(asked()).toEqual([]);
  });

  test("a status request that prefers to wait is answered after the wait when the job has not moved", async (context) => {
    const { ask } = await open(context);
    const answer = await ask("/job/j", { prefer: "wait=1" });
    expect(await answer.json()).toMatchObject({ status: "pending" });
  });

  test("a status request that differs from a poll, or asks for it, is answered by the upstream", async (context) => {
    const { ask, asked } = await open(context);
    const others = [
      await ask("/job/j?more=1", CLIENT),
      await ask("/job/unwatched", CLIENT),
      await ask("/job/j", { ...CLIENT, "ringback-serve-status": "upstream" }),
    ];
    const from = others.map(({ headers }) => headers.get("ringback-served-from"));
    expect(from).toEqual(["upstream", "upstream", null]);
    expect(asked().map(({ path }) => path)).toEqual([
      "/base/job/j?more=1",
      "/base/job/unwatched",
      "/base/job/j",
    ]);
  });

  test("a status request that asks for it is answered from polls, unless its client has its own key", async (context) => {
    const { ask, asked, connection } = await open(context, {});
    expect(connection).toMatchObject({ serve_status: "upstream" });
    const cached = { ...CLIENT, "ringback-serve-status": "cached" };
    expect((await ask("/job/j", cached)).headers.get("ringback-served-from")).toBe("cache");
    expect(asked()).toEqual([]);
    const own = { ...cached, "ringback-key": API_KEY, "x-api-key": "own" };
    expect((await ask("/job/j", own)).headers.get("ringback-served-from")).toBeNull();
    expect(asked().map(({ headers }) => headers["x-api-key"])).toEqual(["own"]);
  });

  test("a status that is too large to keep is answered by the upstream", async (context) => {
    const body = { progress: "x".repeat(200_000) };
    const { ask, asked } = await open(context, { serve_status: "cached" }, body);
    const answer = await ask("/job/j", CLIENT);
    expect(answer.headers.get("ringback-served-from")).toBe("upstream");
    expect(asked().length).toBe(1);
  });
});
