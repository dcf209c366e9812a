import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { type Scene, useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { openJobApi } from "../support/job-api.ts";

const openScene = useScenes();
const PULSE_KEY = "pulse-key-of-the-scene";

describe.concurrent("a submission through the gateway", () => {
  test("a submission goes upstream with the connection's credential, and its job is called back", async (context) => {
    const scene = await openScene(context);
    const api = await openJobApi(context, ({ line }) =>
      line === "POST /v9/extract?a=1"
        ? { status: 202, body: '{"job_id":"job-via","status":"pending"}' }
        : { body: { job_id: "job-via", status: "completed", result: { markdown: "# Hi" } } },
    );
    const connection = await scene.connect({ base_url: `${api.origin}/v9` });
    const response = await fetch(`${scene.gateway.url}/via/${connection.id}/extract?a=1`, {
      method: "POST",
      headers: {
        "x-api-key": API_KEY,
        "content-type": "application/json",
        "ringback-callback-url": scene.receiver.url(scene.path),
        "ringback-metadata": '{"invoice":17.0}',
      },
      body: '{"async":true}',
    });
    expect(response.status).toBe(202);
    expect(await response.text()).toBe('{"job_id":"job-via","status":"pending"}');
    expect(response.headers.get("ringback-job-id")).toBe("job-via");
    const subscription = await scene.look(
      `/v1/subscriptions/${response.headers.get("ringback-subscription-id") ?? ""}`,
    );
    expect(subscription).toMatchObject({ job_id: "job-via", connection: connection.name });
    const [submitted] = api.requests;
    expect(submitted?.headers).toMatchObject({
      "x-api-key": PULSE_KEY,
      host: new URL(api.origin).host,
      "content-type": "application/json",
    });
    expect(submitted?.body.toString()).toBe('{"async":true}');
    const names = Object.keys(submitted?.headers ?? {});
    expect(names.filter((name) => name.startsWith("ringback-"))).toEqual([]);
    const { event, body } = await scene.receiver.takeOne(scene.path);
    expect(event).toMatchObject({
      type: "job.completed",
      data: { job_id: "job-via", result: { markdown: "# Hi" } },
    });
    expect(body).toContain('{"invoice":17.0}');
  });

  test("a submission with an inbox puts its events there", async (context) => {
    const scene = await openScene(context);
    const { send } = await openPulse(context, scene);
    const response = await send("", { headers: { "ringback-inbox": "orders" }, body: "{}" });
    expect(response.headers.get("ringback-subscription-error")).toBeNull();
    const { data } = await scene.gateway.until(
      "/v1/inboxes/orders/messages",
      (page) => page.data.length === 1,
    );
    expect(JSON.parse(data[0].body).data).toMatchObject({ job_id: "job-via", status: "completed" });
  });

  test("a submission with an invalid inbox is refused before it is sent", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const response = await send("", { headers: { "ringback-inbox": "no name" }, body: "{}" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "invalid_header",
      errors: [{ header: "ringback-inbox" }],
    });
    expect(api.requests).toEqual([]);
  });

  test("a submission may name the callback in its JSON, which the upstream does not see", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const url = scene.receiver.url(scene.path);
    await send("", { json: `{"a":1.0,"callback_url":${JSON.stringify(url)},"b":2}` });
    await scene.receiver.takeOne(scene.path);
    expect(api.requests[0]?.body.toString()).toBe('{"a":1.0,"b":2}');
    expect(api.requests[0]?.headers["content-length"]).toBe("15");
  });

  test("a submission may name the callback in a multipart form, before a file that is not held", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const form = new FormData();
    form.set("callback_url", scene.receiver.url(scene.path));
    form.set("file", new Blob([Buffer.alloc(3_000_000, "x")]), "a.pdf");
    await send("", { body: form });
    await scene.receiver.takeOne(scene.path);
    const [request] = api.requests;
    expect(request?.body.includes("callback_url")).toBe(false);
    expect(
      request?.body
        .toString()
        .match(/x+/g)
        ?.some((run) => run.length === 3_000_000),
    ).toBe(true);
    expect(request?.headers["content-length"]).toBe(String(request?.body.length));
  });

  test("a submission's body beyond the inspected part stays unchanged", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const json = `{"file":"${"x".repeat(600_000)}","callback_url":"https://example.com/x"}`;
    const response = await send("", { json });
    expect(response.headers.get("ringback-job-id")).toBeNull();
    expect(api.requests[0]?.body.toString() === json).toBe(true);
  });

  test("a submission whose body names a forbidden callback is refused before it is sent", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const response = await send("", { json: '{"callback_url":"ftp://x"}' });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: "callback_url_refused",
      errors: [{ pointer: "/callback_url" }],
    });
    expect(api.requests).toEqual([]);
  });

  test("a submission's callback comes from its headers first, then its query, then its body", async (context) => {
    const scene = await openScene(context);
    const { api, send } = await openPulse(context, scene);
    const [first, second] = ["a", "b"].map((name) => scene.receiver.url(`${scene.path}/${name}`));
    const elsewhere = JSON.stringify({ callback_url: "https://unused.example/x" });
    await send("", { headers: { "ringback-callback-url": first ?? "" }, json: elsewhere });
    await scene.receiver.takeOne(`${scene.path}/a`);
    const query = `?ringback_callback_url=${encodeURIComponent(second ?? "")}`;
    await send(query, { headers: { "idempotency-key": "2" }, json: elsewhere });
    await scene.receiver.takeOne(`${scene.path}/b`);
    const submitted = api.requests.filter(({ method }) => method === "POST");
    expect(submitted.map(({ path, body }) => [path, body.toString()])).toEqual([
      ["/extract", "{}"],
      ["/extract", "{}"],
    ]);
  });
});

test("a job is found in the first MiB of a larger answer", async (context) => {
  const scene = await openScene(context);
  const { send } = await openPulse(context, scene, { rest: "x".repeat(2_000_000) });
  const headers = { "ringback-callback-url": scene.receiver.url(scene.path) };
  const response = await send("", { headers, body: "{}" });
  expect(response.headers.get("ringback-job-id")).toBe("job-via");
  expect(await response.json()).toMatchObject({ rest: expect.stringMatching(/^x{2000000}$/) });
  await scene.receiver.takeOne(scene.path);
});

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | FormData;
  readonly json?: string;
}

/** An API whose one job is done when it is asked about, and how to submit to it. */
async function openPulse(context: TestContext, scene: Scene, more: object = {}) {
  const api = await openJobApi(context, ({ method }) =>
    method === "POST"
      ? { status: 202, body: { job_id: "job-via", status: "pending", ...more } }
      : { body: { job_id: "job-via", status: "completed", result: {} } },
  );
  const connection = await scene.connect({ base_url: api.origin });
  const url = `${scene.gateway.url}/via/${connection.id}/extract`;
  const send = (query: string, { headers = {}, body, json }: Sent) =>
    fetch(url + query, {
      method: "POST",
      headers: {
        "x-api-key": API_KEY,
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      body: json ?? body ?? "",
    });
  return { api, connection, send };
}
