import { describe, expect, it } from "vitest";
import {
  validateSubscription,
  type ValidationContext,
} from "../../src/api/subscriptions/validate-subscription.ts";
import { openBox, storedConnection } from "../polling/jobs.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { PROJECT_ID } from "../support/rows.ts";

const provider = exampleProvider({
  status: { url_param: "status_url" },
  cancel: { method: "POST", path: "/{params.region}/{job_id}/cancel" },
  params: { region: { default: "eu" } },
  allowed_hosts: ["*.example.net"],
});

/** Subscribes to a job with this status URL, at a connection with this base URL. */
async function subscribe(statusUrl: string | undefined, baseUrl: string | null) {
  const connection = storedConnection({ baseUrl });
  const written = provider.definition;
  const { name } = provider;
  const known = { name, provider, written, source: "built_in", version: null } as const;
  const services: ValidationContext = {
    providers: {
      find: () => known,
      findFresh: () => Promise.resolve(known),
      list: () => [known],
    },
    connections: {
      find: () => connection,
      findFresh: () => Promise.resolve(connection),
    },
    checkCallbackUrl: (_, text) => Promise.resolve({ ok: true, url: new URL(text) }),
    secretBox: openBox,
  };
  const request = {
    job_id: "job-1",
    callback_url: "https://app.example.com/hook",
    provider: provider.name,
    params: statusUrl === undefined ? {} : { status_url: statusUrl },
  };
  const text = JSON.stringify(request);
  return validateSubscription(
    { projectId: PROJECT_ID, request, text, idempotencyKey: null, trace: null },
    services,
  );
}

describe("a job that brings its own status URL", () => {
  it.each([
    ["https://api.example.com/queue/1", null],
    ["https://eu.example.net/queue/1?x=1", null],
    ["https://api.example.com/queue/1", "https://eu.example.net"],
    ["https://proxy.example.net:8443/queue/1", "https://proxy.example.net:8443/base"],
    ["http://127.0.0.1:9/queue/1", "http://127.0.0.1:9"],
  ])("a job with its own status URL is accepted with %s at %s", async (url, baseUrl) => {
    expect(await subscribe(url, baseUrl)).toMatchObject({
      ok: true,
      value: { request: { params: { status_url: url } } },
    });
  });

  it.each([
    ["https://evil.example/queue/1", null, /evil\.example, which is not among the allowed hosts/],
    ["https://example.net.evil.example/", null, /not among the allowed hosts/],
    ["https://169.254.169.254/latest/meta-data", null, /not among the allowed hosts/],
    ["http://127.0.0.1:9/queue/1", null, /127\.0\.0\.1:9, which is not among the allowed hosts/],
    ["http://api.example.com/queue/1", null, /by https/],
    ["https://eu.example.net:22/", null, /without a port/],
    ["https://key@api.example.com/", null, /user name/],
    ["https://api.example.com\\@evil.example/", null, /not a URL/],
    ["/queue/1", null, /not a URL/],
    ["https:api.example.com/queue", null, /not a URL/],
    [`https://api.example.com/${"x".repeat(8200)}`, null, /longer than/],
  ])(
    "a job with its own status URL is refused with %s at %s, with the reason",
    async (url, baseUrl, detail) => {
      expect(await subscribe(url, baseUrl)).toMatchObject({
        ok: false,
        problem: {
          code: "validation_failed",
          errors: [{ pointer: "/params/status_url", detail: expect.stringMatching(detail) }],
        },
      });
    },
  );

  it("a job that brings its own status URL is refused without one, while a param with a default may be left out", async () => {
    expect(await subscribe(undefined, null)).toMatchObject({
      ok: false,
      problem: { errors: [{ pointer: "/params/status_url" }] },
    });
  });
});
