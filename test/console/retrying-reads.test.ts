import { expect, test } from "vitest";
import { type ApiFetch, retryingReads } from "../../src/console/http/gateway-api.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** An API that answers in this order: a number is the `Retry-After` of a refusal. */
function answering(...answers: (number | "list")[]): { api: ApiFetch; left: () => number } {
  const api: ApiFetch = () => {
    const answer = answers.shift() ?? "list";
    if (answer === "list") return new Response("list");
    return new Response("", { status: 429, headers: { "retry-after": String(answer) } });
  };
  return { api, left: () => answers.length };
}

function ask(api: ApiFetch, clock: FakeClock, method = "GET"): Promise<Response> {
  const request = new Request("http://localhost/v1/jobs", { method });
  return Promise.resolve(retryingReads(api, clock)(request, {}));
}

test("a refused read is repeated after the time that the refusal names", async () => {
  const clock = new FakeClock();
  const { api, left } = answering(2, 1);
  const answer = ask(api, clock);
  await clock.advanceSettling(1_999);
  expect(left()).toBe(1);
  await clock.advanceSettling(1);
  expect(left()).toBe(0);
  await clock.advanceSettling(1_000);
  expect(await (await answer).text()).toBe("list");
});

test("a read is repeated twice; the third refusal is shown", async () => {
  const clock = new FakeClock();
  const { api, left } = answering(2, 2, 2, 2);
  const answer = ask(api, clock);
  await clock.advanceSettling(10_000);
  expect((await answer).status).toBe(429);
  expect(left()).toBe(1);
});

test.each([
  ["a longer wait", 30, "GET"],
  ["a change", 1, "POST"],
] as const)("a refusal is shown at once: %s", async (_, seconds, method) => {
  const { api } = answering(seconds);
  expect((await ask(api, new FakeClock(), method)).status).toBe(429);
});
