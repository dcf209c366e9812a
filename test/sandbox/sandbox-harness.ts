import { Hono } from "hono";
import { Webhook } from "standardwebhooks";
import { Sandbox } from "../../src/sandbox/sandbox.ts";
import { FakeClock } from "../support/fake-clock.ts";

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
export const API_KEY = "rb_of_the_sandbox";
export const OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/** A sandbox mounted as the gateway mounts it, with a clock that the test moves. */
export function startSandbox(secrets: readonly string[] = [SECRET]) {
  const clock = new FakeClock();
  let seed = 0;
  const app = new Hono().route(
    "/sandbox",
    new Sandbox(
      { clock, random: () => (seed = (seed + 0.618_033_988_75) % 1) },
      {
        signingSecrets: () => Promise.resolve(secrets),
        baseUrl: () => "http://127.0.0.1:8080",
        hosts: new Set(["localhost", "gateway.example"]),
        mayChange: (authorization) => Promise.resolve(authorization === `Bearer ${API_KEY}`),
      },
    ).app,
  );
  return {
    clock,
    request: async (path: string, init?: RequestInit) => app.request(`/sandbox${path}`, init),
    requestAs: async (origin: string, path: string, init?: RequestInit) =>
      app.request(`${origin}/sandbox${path}`, init),
    async submit(job: object | string = {}): Promise<Response> {
      const body = typeof job === "string" ? job : JSON.stringify(job);
      const headers = { authorization: `Bearer ${API_KEY}` };
      return app.request("/sandbox/jobs", { method: "POST", headers, body });
    },
    async submitted(job: object | string = {}): Promise<string> {
      const response = await this.submit(job);
      const { job_id: id } = (await response.json()) as { job_id: string };
      return id;
    },
    async ask(id: string, credential = "key-1"): Promise<Response> {
      return app.request(`/sandbox/jobs/${id}`, { headers: { "x-api-key": credential } });
    },
    async inbox(name = ""): Promise<ListedCallback[]> {
      const response = await app.request(`/sandbox/inbox${name}`);
      return ((await response.json()) as { data: ListedCallback[] }).data;
    },
  };
}

export interface ListedCallback {
  readonly inbox: string | null;
  readonly webhook_id: string | null;
  readonly delivery: number;
  readonly verified: boolean;
  readonly reason: string | null;
  readonly answered: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A POST of a signed callback, as a sender of Standard Webhooks makes it. */
export function signedPost(
  body: string,
  { id = "msg_1", at = new Date(), secret = SECRET } = {},
): RequestInit {
  return {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, at, body),
    },
  };
}
