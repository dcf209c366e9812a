import { describe, expect, test } from "vitest";
import {
  ENDING_EVENT_TYPES,
  eventMask,
  WANTS_RESULT_FETCHED,
} from "../../src/core/delivery/event.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const ORIGIN = "https://api.example.com";
const ASKED = `${ORIGIN}/v1/ops/7/status?view=full`;

/** A poller of jobs that are asked about at `ASKED`, every second; `"query"` sends the credential there. */
function startWith(changes: Partial<ProviderDefinitionSource>) {
  const provider = exampleProvider({
    status: { url_param: "status_url", next_url: { header: "location" } },
    auth: { kind: "query", name: "key" },
    allowed_hosts: ["*.example.com"],
    ...changes,
  });
  const connection = { baseUrl: ORIGIN, settings: { poll_interval_s: 1 } };
  const harness = startPoller(connection, provider);
  const addAsked = (more: object = {}) =>
    harness.add({ params: JSON.stringify({ status_url: ASKED }), ...more });
  const urls = () =>
    harness.requests.map(({ request }) =>
      (request.origin + request.path).replace(/[?&]key=.*/, ""),
    );
  return { ...harness, addAsked, urls };
}

const isFirst = (path: string): boolean => path.includes("view=full");

const LINKS = [
  ["jobs/1", `${ORIGIN}/v1/ops/7/jobs/1`],
  ["./jobs/1?a=b#part", `${ORIGIN}/v1/ops/7/jobs/1?a=b`],
  ["../x", `${ORIGIN}/v1/ops/x`],
  ["../../../../x", `${ORIGIN}/x`],
  ["/x", `${ORIGIN}/x`],
  ["//eu.example.com/x", "https://eu.example.com/x"],
  ["?page=2", `${ORIGIN}/v1/ops/7/status?page=2`],
  [`${ORIGIN}/x`, `${ORIGIN}/x`],
] as const;

const REFUSED = [
  ["//evil.test/x?sig=1", "https://evil.test/x", "which is not among the allowed hosts"],
  ["///evil.test/x", "https://evil.test/x", "which is not among the allowed hosts"],
  ["http:x", "http:x", "not a URL of the form https://host/path"],
  ["file:///etc/passwd", "file:///etc/passwd", "not a URL of the form"],
  ["/\\evil.test/x", String.raw`/\\evil.test/x`, "not a URL of the form"],
  ["//user:pass@eu.example.com/x", "", "must not contain a user name or password"],
  ["#part", "", "not a URL of the form"],
] as const;

describe("the link to the next status request", () => {
  test.each(LINKS)(
    "the link %s to the next status request is resolved to %s",
    async (location, url) => {
      const { clock, upstream, addAsked, urls } = startWith({});
      upstream.answer = (path) =>
        answeredJson({ status: "running" }, 202, isFirst(path) ? { location } : {});
      addAsked();
      await clock.advanceSettling(2500);
      expect(urls()).toEqual([ASKED, url, url]);
    },
  );

  test("a link is resolved against the URL of the last request", async () => {
    const { clock, upstream, addAsked, urls } = startWith({});
    upstream.answer = () => answeredJson({ status: "running" }, 202, { location: "a/b" });
    addAsked();
    await clock.advanceSettling(2500);
    expect(urls()).toEqual([ASKED, `${ORIGIN}/v1/ops/7/a/b`, `${ORIGIN}/v1/ops/7/a/a/b`]);
  });

  test("a link to the next status request may be in the body", async () => {
    const status = { url_param: "status_url", next_url: { pointer: "/next" } };
    const { clock, upstream, addAsked, urls } = startWith({ status });
    upstream.answer = () => answeredJson({ status: "running", next: "../8/status" });
    addAsked();
    await clock.advanceSettling(1500);
    expect(urls()).toEqual([ASKED, `${ORIGIN}/v1/ops/8/status`]);
  });

  test.each(REFUSED)(
    "the link %s to the next status request is refused with the reason",
    async (location, shown, why) => {
      const { clock, poller, upstream, addAsked, urls } = startWith({});
      upstream.answer = () => answeredJson({ status: "running" }, 202, { location });
      const job = addAsked();
      await clock.advanceSettling(1500);
      expect(urls()).toEqual([ASKED]);
      const lastError = poller.watches.view(job.shardId, job.id)?.lastError;
      expect(lastError).toContain(`The answer's link "${shown}`);
      expect(lastError).toContain(why);
      expect(lastError).not.toContain("sig=1");
    },
  );
});

describe("the link to a result", () => {
  const result: ProviderDefinitionSource["result"] = {
    kind: "request",
    request: { url_at: ["/url"] },
  };

  test.each(LINKS)("the link %s to a result is resolved to %s", async (link, url) => {
    const { clock, recorded, upstream, addAsked, urls } = startWith({ result });
    upstream.answer = (path) => answeredJson(isFirst(path) ? { status: "done", url: link } : 5);
    addAsked();
    await clock.advanceSettling(500);
    expect(urls()).toEqual([ASKED, url]);
    expect(recorded).toMatchObject([{ type: "job.completed", result: "5" }]);
  });

  test("a link to a result on a host that is not allowed is refused with the reason", async () => {
    const { clock, poller, upstream, addAsked } = startWith({ result });
    upstream.answer = () => answeredJson({ status: "done", url: "//evil.test/r?sig=1" });
    const job = addAsked();
    await clock.advanceSettling(500);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toMatch(
      /The answer's link "https:\/\/evil.test\/r" is not followed. The URL leads to evil.test/,
    );
  });
});

describe("the link that a result is", () => {
  const result: ProviderDefinitionSource["result"] = {
    kind: "pointer",
    at: ["/result"],
    download: { url_at: ["", "/url"], credential: false },
  };
  const wantedEvents = eventMask(ENDING_EVENT_TYPES) | WANTS_RESULT_FETCHED;

  test.each([
    ["../files/1", `${ORIGIN}/v1/ops/files/1`],
    [{ url: "files/1" }, `${ORIGIN}/v1/ops/7/files/1`],
    [{ url: "/files/1" }, `${ORIGIN}/files/1`],
    ["hello/there", null],
    ["/hello there", null],
  ])("the result link %j is fetched from %s", async (link, url) => {
    const { clock, recorded, upstream, addAsked, urls } = startWith({ result });
    upstream.answer = (path) => answeredJson(isFirst(path) ? { status: "done", result: link } : 5);
    addAsked({ wantedEvents });
    await clock.advanceSettling(500);
    expect(urls()).toEqual([ASKED, ...(url === null ? [] : [url])]);
    expect(recorded).toMatchObject([{ type: "job.completed", result: JSON.stringify(link) }]);
  });
});
