import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

type SetCookie = string | readonly string[];

function running(setCookie?: SetCookie) {
  const answer = answeredJson({ status: "running" });
  if (answer.kind === "failed" || setCookie === undefined) return answer;
  return { ...answer, headers: { ...answer.headers, "set-cookie": setCookie } };
}

type Answer = ReturnType<typeof answeredJson>;

/** A poller at an API whose answers to job `a` come in this order, the last one for good. */
function startWith(
  answers: readonly Answer[] | ((poll: number, cookie: string | null) => Answer),
  changes: Partial<ProviderDefinitionSource> = {},
) {
  const provider = exampleProvider(changes);
  const harness = startPoller(
    { baseUrl: "https://api.example.com", settings: { poll_interval_s: 1 } },
    provider,
  );
  const cookies = () => harness.requests.map(({ request }) => request.headers["cookie"] ?? null);
  harness.upstream.answer = (_, poll) =>
    typeof answers === "function"
      ? answers(poll, cookies().at(-1) ?? null)
      : (answers[Math.min(poll, answers.length) - 1] ?? running());
  harness.add({ jobId: "a" });
  return { ...harness, cookies };
}

test("a job whose replica alone knows it is asked there: the balancer's cookie goes back", async () => {
  const { clock, recorded } = startWith((poll, cookie) => {
    if (poll === 1) return running("AWSALB=r1; path=/");
    return cookie === "AWSALB=r1"
      ? answeredJson({ status: poll < 4 ? "running" : "done", output: 7 })
      : answeredJson({ error: "unknown" }, 404);
  });
  await clock.advanceSettling(10_000);
  expect(recorded).toMatchObject([{ type: "job.completed", result: "7" }]);
});

describe("the cookies of an answer", () => {
  test.each<[string, SetCookie, string | null]>([
    [
      "known balancers' are kept",
      ["AWSALB=a", "AWSALBCORS=b; SameSite=None"],
      "AWSALB=a; AWSALBCORS=b",
    ],
    ["sessions are not", ["JSESSIONID=1", "sid=2; HttpOnly"], null],
    ["those with odd values are not", ["AWSALB=a b", "GCLB=a\r\nx: y", "=x", "ARRAffinity"], null],
    ["those that are over are not", ["GCLB=a; Max-Age=0", "ARRAffinity=; path=/"], null],
    ["those that are large are not", `AWSALB=${"x".repeat(1100)}`, null],
    [
      "thousands are not read",
      Array.from({ length: 30 }, (_, n) => `x${n}=1`).concat("GCLB=a"),
      null,
    ],
  ])("this cookie of an answer is kept or not: %s", async (_, setCookie, sent) => {
    const { clock, cookies } = startWith([running(setCookie), running()]);
    await clock.advanceSettling(1500);
    expect(cookies()).toEqual([null, sent]);
  });

  test("the newest cookie counts, and an emptied one is forgotten", async () => {
    const { clock, cookies } = startWith([
      running(["AWSALB=1", "GCLB=g"]),
      running("AWSALB=2"),
      running("GCLB=; Max-Age=0"),
      running(),
    ]);
    await clock.advanceSettling(3700);
    expect(cookies()).toEqual([null, "AWSALB=1; GCLB=g", "AWSALB=2; GCLB=g", "AWSALB=2"]);
  });

  test("no cookie is taken from a server that does not know the job, and the earlier one is forgotten", async () => {
    const lost = (cookie: string) =>
      answeredJson({ error: "unknown" }, 404, { "set-cookie": cookie });
    const { clock, cookies } = startWith([
      lost("GCLB=wrong"),
      running("GCLB=right"),
      lost("GCLB=wrong"),
      running(),
    ]);
    await clock.advanceSettling(20_000);
    expect(cookies().slice(0, 4)).toEqual([null, null, "GCLB=right", null]);
  });

  test("a definition names its own cookies, beside one that it sends itself", async () => {
    const { clock, cookies } = startWith([running(["route-7=x", "AWSALB=a"]), running()], {
      affinity_cookies: ["route-*"],
      headers: { cookie: "tenant=t" },
    });
    await clock.advanceSettling(1500);
    expect(cookies()).toEqual(["tenant=t", "tenant=t; route-7=x"]);
  });
});

test("a cookie goes to the origin that set it only, and to no other job", async () => {
  const { clock, requests, add } = startWith(
    () =>
      answeredJson({ status: "running", next: "https://eu.example.com/a" }, 200, {
        "set-cookie": "GCLB=a",
      }),
    {
      allowed_hosts: ["*.example.com"],
      status: { path: "/jobs/{job_id}", next_url: { pointer: "/next" } },
    },
  );
  await clock.advanceSettling(500);
  add({ jobId: "b" });
  await clock.advanceSettling(2000);
  const sent = requests.map(({ origin, path, request }) => [
    origin + path,
    request.headers["cookie"] ?? null,
  ]);
  expect(sent).toEqual([
    ["https://api.example.com/jobs/a", null],
    ["https://api.example.com/jobs/b", null],
    ["https://eu.example.com/a", null],
    ["https://eu.example.com/a", null],
    ["https://eu.example.com/a", "GCLB=a"],
    ["https://eu.example.com/a", "GCLB=a"],
  ]);
});
