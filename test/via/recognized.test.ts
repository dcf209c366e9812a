import { describe, expect, test } from "vitest";
import { useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { type ApiReply, type ApiRequest, openJobApi } from "../support/job-api.ts";

const openScene = useScenes();

type Submission = (origin: string) => ApiReply;

/** Answers to submissions of APIs without a definition, by what they are recognized by. */
const SIGNS: Readonly<Record<string, Submission>> = {
  "operation-location": (origin) => ({
    status: 202,
    headers: { "operation-location": `${origin}/status` },
  }),
  "azure-asyncoperation": (origin) => ({
    status: 201,
    headers: { "azure-asyncoperation": `${origin}/status` },
  }),
  location: () => ({ status: 202, headers: { location: "/status" } }),
  "google-operation": () => ({ body: { name: "operations/1", metadata: {} } }),
  "urls/get": (origin) => ({ status: 201, body: { id: "1", urls: { get: `${origin}/status` } } }),
  status_url: (origin) => ({ body: { request_id: "1", status_url: `${origin}/status` } }),
  "id-and-status": () => ({ status: 201, body: { id: 12, status: "IN_PROGRESS" } }),
};

const LINK_HEADERS = new Set(["operation-location", "azure-asyncoperation", "location"]);

describe("a submission without a definition", () => {
  test.for(Object.keys(SIGNS))(
    "a submission is recognized by %s, which its answer, its subscription and its explanation show",
    async (sign, context) => {
      const scene = await openScene(context);
      const api = await openJobApi(context, ({ method }: ApiRequest, origin) =>
        method === "POST"
          ? (SIGNS[sign]?.(origin) ?? {})
          : { body: { name: "operations/1", done: true, status: "succeeded", response: {} } },
      );
      const connection = await scene.connect({
        provider: "auto",
        credential: "key-of-the-api",
        base_url: api.origin,
        callback_url: scene.receiver.url(scene.path),
      });
      const answer = await fetch(`${scene.gateway.url}/via/${connection.id}/things`, {
        method: "POST",
        headers: { authorization: `Bearer ${API_KEY}` },
        body: "{}",
      });
      expect(answer.headers.get("ringback-recognized-by")).toBe(sign);
      const link = LINK_HEADERS.has(sign) ? answer.headers.get(sign) : null;
      if (link !== null) {
        // As an SDK follows it, with the only key that it has.
        const headers = { authorization: `Bearer ${API_KEY}` };
        const polled = await fetch(new URL(link, answer.url), { headers });
        expect(await polled.json()).toMatchObject({ status: "succeeded" });
      }
      const id = answer.headers.get("ringback-subscription-id") ?? "";
      const subscription = await scene.look(`/v1/subscriptions/${id}`);
      expect(subscription).toMatchObject({ provider: "auto", recognized_by: sign });
      const { subscriptions } = await scene.look(`/v1/jobs/${subscription.job.id}/explain`);
      expect(subscriptions[0].subscription).toMatchObject({ id, recognized_by: sign });
      const { event } = await scene.receiver.takeOne(scene.path);
      expect(event).toMatchObject({ type: "job.completed", data: { provider: "auto" } });
    },
  );
});

test("a submission that a definition recognizes shows which entry of it, and one by hand shows none", async (context) => {
  const scene = await openScene(context);
  const api = await openJobApi(context, ({ method }) => ({
    status: method === "POST" ? 202 : 200,
    body: { job_id: "j", status: method === "POST" ? "pending" : "completed" },
  }));
  const connection = await scene.connect({ base_url: api.origin });
  const answer = await fetch(`${scene.gateway.url}/via/${connection.id}/extract`, {
    method: "POST",
    headers: { "x-api-key": API_KEY, "ringback-callback-url": scene.receiver.url(scene.path) },
  });
  expect(answer.headers.get("ringback-recognized-by")).toBe("/submit/0");
  const id = answer.headers.get("ringback-subscription-id") ?? "";
  expect(await scene.look(`/v1/subscriptions/${id}`)).toMatchObject({ recognized_by: "/submit/0" });
  expect(await scene.subscribe()).toMatchObject({ recognized_by: null });
});

test("an answer is relayed with its job's id when the project's limit keeps the job from being watched", async (context) => {
  const scene = await openScene(context);
  const answered = { job_id: "beyond", status: "pending", note: "caf\u00e9" };
  const api = await openJobApi(context, () => ({ status: 202, body: answered }));
  const connection = await scene.connect({ base_url: api.origin });
  await scene.subscribe();
  const limit = (live_jobs_max: number) =>
    scene.gateway.api("PATCH", "/v1/project", { live_jobs_max });
  const { live_jobs_max: before } = await scene.look("/v1/project");
  expect((await limit(1)).status).toBe(200);
  context.onTestFinished(async () => void (await limit(before)));
  const answer = await fetch(`${scene.gateway.url}/via/${connection.id}/extract`, {
    method: "POST",
    headers: { "x-api-key": API_KEY, "ringback-callback-url": scene.receiver.url(scene.path) },
  });
  expect(answer.status).toBe(202);
  expect(answer.headers.get("ringback-subscription-error")).toBe("too_many_live_jobs");
  expect(answer.headers.get("ringback-subscription-id")).toBeNull();
  expect(answer.headers.get("ringback-job-id")).toBe("beyond");
  expect(await answer.json()).toEqual(answered);
});
