import { describe, expect, test } from "vitest";
import { useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { openJobApi } from "../support/job-api.ts";

const openScene = useScenes();
const PULSE_KEY = "pulse-key-of-the-scene";

describe.concurrent("a submission through the gateway", () => {
  test("goes upstream with the connection's credential, and its job is called back", async (context) => {
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
});
