import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson, CREDENTIAL } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const ORIGIN = "https://api.example.com";
const DONE = { status: "done", output: 1 };

function redirect(location: string | undefined, status = 307) {
  return answeredJson({}, status, location === undefined ? {} : { location });
}

/** A poller of one job, `/jobs/<id>`, whose polls are answered by path. */
function startWith(
  answers: (path: string, origin: string) => ReturnType<typeof answeredJson>,
  changes: Partial<ProviderDefinitionSource> = {},
) {
  const provider = exampleProvider({ allowed_hosts: ["*.example.com"], ...changes });
  const harness = startPoller({ baseUrl: ORIGIN, settings: { poll_interval_s: 1 } }, provider);
  harness.upstream.answer = (path, _, origin) => answers(path, origin);
  const job = harness.add({ jobId: "a" });
  const urls = () => harness.requests.map(({ request }) => request.origin + request.path);
  const lastError = () => harness.poller.watches.view(job.shardId, job.id)?.lastError ?? null;
  return { ...harness, urls, lastError };
}

describe("a status request that is redirected", () => {
  test.each([301, 302, 303, 307, 308])(
    "a redirected status request is followed within its origin, with the credential: %i",
    async (status) => {
      const { clock, recorded, urls, requests } = startWith((path) =>
        path === "/jobs/a" ? redirect("a/", status) : answeredJson(DONE),
      );
      await clock.advanceSettling(100);
      expect(urls()).toEqual([`${ORIGIN}/jobs/a`, `${ORIGIN}/jobs/a/`.replace("a/a/", "a/")]);
      expect(requests[1]?.request.headers["authorization"]).toBe(`Bearer ${CREDENTIAL}`);
      expect(recorded).toMatchObject([{ type: "job.completed", result: "1" }]);
    },
  );

  test("a redirected status request carries the query's credential along, once", async () => {
    const { clock, recorded, urls } = startWith(
      (path) => (path.startsWith("/jobs/a") ? redirect("/v2/a?key=other&x=1") : answeredJson(DONE)),
      { auth: { kind: "query", name: "key" } },
    );
    await clock.advanceSettling(100);
    expect(urls()[1]).toBe(`${ORIGIN}/v2/a?x=1&key=${CREDENTIAL}`);
    expect(recorded).toHaveLength(1);
  });

  test("a redirect to an allowed host carries nothing of the connection", async () => {
    const { clock, recorded, urls, requests } = startWith(
      (_, origin) =>
        origin === ORIGIN
          ? redirect("https://eu.example.com/jobs/a?key=x&y=1")
          : answeredJson(DONE),
      { auth: { kind: "query", name: "key" }, headers: { "x-tenant": "t" } },
    );
    await clock.advanceSettling(100);
    expect(urls()[1]).toBe("https://eu.example.com/jobs/a?y=1");
    expect(requests[1]?.request.headers).toEqual({
      accept: "application/json",
      "user-agent": "Ringback/test",
    });
    expect(recorded).toHaveLength(1);
  });

  test("a redirect to an origin that lacks the credential is no verdict on it, nor on the job", async () => {
    for (const status of [401, 404]) {
      const { clock, paused, recorded, lastError } = startWith((_, origin) =>
        origin === ORIGIN
          ? redirect("https://eu.example.com/jobs/a")
          : answeredJson({ error: "no" }, status),
      );
      await clock.advanceSettling(60_000);
      expect(paused).toEqual([]);
      expect(recorded).toEqual([]);
      expect(lastError()).toContain("make that the connection's base_url");
    }
  });

  test("a redirect has a meaning of its own where a rule says so", async () => {
    const { clock, recorded, urls } = startWith(() => redirect("/results/a", 303), {
      rules: [{ http_status: 303, observe: "completed" }],
      result: { kind: "inline", at: [""] },
    });
    await clock.advanceSettling(100);
    expect(urls()).toEqual([`${ORIGIN}/jobs/a`]);
    expect(recorded).toMatchObject([{ type: "job.completed" }]);
  });

  test("repeated redirects take no longer than one request may, and count towards the rate", async () => {
    const { clock, requests } = startWith(
      (path) =>
        path === "/jobs/a"
          ? { ...redirect("/b"), durationMs: 900 }
          : answeredJson({ status: "running" }),
      { request_timeout_s: 2, limits: { concurrency: 4, requests_per_second: 1 } },
    );
    await clock.advanceSettling(10_500);
    expect(requests[0]?.request.timeoutMs).toBe(2000);
    expect(requests[1]?.request.timeoutMs).toBe(1100);
    // One a second, as the connection says, and two for each poll.
    expect(requests.length).toBeGreaterThanOrEqual(8);
    expect(requests.length).toBeLessThanOrEqual(13);
  });
});

const LOST = [
  ["elsewhere", redirect("https://elsewhere.test/a?token=secret"), "not among the allowed hosts"],
  ["to plain http", redirect("http://api.example.com/a"), "by https"],
  ["to itself, forever", redirect("/jobs/a"), "redirects more than 3 times"],
  ["nowhere", redirect(undefined), "not followed"],
  ["to no URL", redirect("http://user:pass@api.example.com/"), "not followed"],
] as const;

describe("a redirect that may not be followed ends the job within minutes, with the reason", () => {
  test.each(LOST)(
    "a redirect %s is not followed and ends the job within minutes, with the reason",
    async (_, answer, why) => {
      const { clock, recorded, requests, lastError } = startWith(() => answer);
      await clock.advanceSettling(60_000);
      expect(lastError()).toContain(why);
      expect(lastError()).not.toContain("secret");
      await clock.advanceSettling(9 * 60_000);
      expect(recorded).toMatchObject([{ type: "job.failed", error: expect.stringContaining(why) }]);
      expect(requests.every(({ origin }) => origin === ORIGIN)).toBe(true);
    },
  );

  test("a transient redirect does no harm", async () => {
    let isMoved = true;
    const { clock, recorded } = startWith(() =>
      isMoved ? redirect("https://status.elsewhere.test/maintenance") : answeredJson(DONE),
    );
    await clock.advanceSettling(4 * 60_000);
    isMoved = false;
    await clock.advanceSettling(90_000);
    expect(recorded).toMatchObject([{ type: "job.completed" }]);
  });

  test("a POST is not redirected", async () => {
    const { clock, recorded, requests } = startWith(() => redirect("/jobs/a/"), {
      status: { path: "/jobs/{job_id}", method: "POST" },
    });
    await clock.advanceSettling(10 * 60_000);
    expect(new Set(requests.map(({ path }) => path))).toEqual(new Set(["/jobs/a"]));
    expect(recorded).toMatchObject([
      { type: "job.failed", error: expect.stringContaining("A POST request is not sent on.") },
    ]);
  });
});

test("a redirected request for a result is followed in the same way", async () => {
  const { clock, recorded, urls } = startWith(
    (path) =>
      path === "/jobs/a/result"
        ? redirect("https://files.example.com/a")
        : answeredJson(path === "/a" ? { pages: 2 } : DONE),
    { result: { kind: "request", request: { path: "/jobs/{job_id}/result" } } },
  );
  await clock.advanceSettling(3000);
  expect(urls()[2]).toBe("https://files.example.com/a");
  expect(recorded).toMatchObject([{ type: "job.completed", result: '{"pages":2}' }]);
});
