import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiFixture, problemOf } from "../api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const MIB = 2 ** 20;

/** A batch whose body comes when the test says so. */
async function sendBatch(bytes: number, projectId = api.projectId) {
  const key = await api.addKey(["admin"], { projectId });
  let deliver = (): void => undefined;
  const hasStarted = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        hasStarted.resolve();
        return new Promise((resolve) => {
          deliver = () => {
            controller.enqueue(Buffer.alloc(bytes, " "));
            controller.close();
            resolve();
          };
        });
      },
    },
    { highWaterMark: 0 },
  );
  const answer = api.app.request("/v1/subscriptions/batch", {
    method: "POST",
    body,
    duplex: "half",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "content-length": String(bytes),
    },
  });
  return {
    answer: Promise.resolve(answer),
    hasStarted: hasStarted.promise,
    deliver: () => deliver(),
  };
}

test("large bodies wait for each other, a small one for none, and not for long", async () => {
  const first = await sendBatch(MIB);
  await first.hasStarted;
  const second = await sendBatch(MIB);
  const small = await api.request("POST", "/v1/subscriptions/batch", { body: {} });
  expect(small.status).toBe(422);
  api.clock.advance(3_000);
  const problem = await problemOf(await second.answer);
  expect(problem).toMatchObject({ code: "overloaded" });
  first.deliver();
  expect(await problemOf(await first.answer)).toMatchObject({ code: "malformed_json" });
  const third = await sendBatch(MIB);
  await third.hasStarted;
  third.deliver();
  expect((await third.answer).status).toBe(400);
});

test("one project's many large bodies delay none of another's", async () => {
  const neighbor = api.uuid();
  await api.addProject(neighbor, "neighbor");
  api.limits.own.set(api.projectId, { request_bytes: MIB / 2 });
  const flood = await Promise.all(Array.from({ length: 20 }, () => sendBatch(MIB / 2)));
  await Promise.race(flood.map(({ hasStarted }) => hasStarted));
  expect(api.limits.used(api.projectId, "request_bytes")).toBe(MIB / 2);
  for (let body = 0; body < 3; body += 1) {
    const other = await sendBatch(MIB, neighbor);
    await other.hasStarted;
    other.deliver();
    expect((await other.answer).status).toBe(400);
  }
  api.clock.advance(3_000);
  const started = await Promise.race(
    flood.map(({ hasStarted }, index) => hasStarted.then(() => index)),
  );
  flood[started]?.deliver();
  const answers = await Promise.all(flood.map(({ answer }) => answer));
  expect(answers.filter(({ status }) => status === 503)).toHaveLength(flood.length - 1);
  api.limits.own.clear();
});

test.each([
  ["brackets", `{"items":[${"[".repeat(50_000)}${"]".repeat(50_000)}]}`],
  ["objects", `{"items":[${"{},".repeat(200_000)}{}]}`],
])("a body of nothing but %s is refused before it is parsed", async (_, body) => {
  const problem = await problemOf(await api.request("POST", "/v1/subscriptions/batch", { body }));
  expect(problem).toMatchObject({
    code: "body_too_large",
    detail: expect.stringContaining("too many values for its size"),
  });
});
