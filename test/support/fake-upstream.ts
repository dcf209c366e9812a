import type { IncomingMessage } from "node:http";
import { Arrivals } from "./arrivals.ts";
import {
  type Answer,
  answerOf,
  plainHeaders,
  type Script,
  ScriptedServer,
} from "./scripted-server.ts";

/** A request that the upstream got, as it came. */
interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The job it is about, decoded; null for any other path. */
  readonly jobId: string | null;
  readonly receivedAtMs: number;
}

const CREATED_AT = "2026-01-01T00:00:00.000Z";
const UPDATED_AT = "2026-01-01T00:05:00.000Z";

/** Answers of a status endpoint in the words of Pulse's documentation. */
export const pulseAnswer = {
  status: (status: string, more: object = {}): Answer => ({
    body: { job_id: "any", status, created_at: CREATED_AT, ...more },
  }),
  processing: (progress?: object): Answer =>
    pulseAnswer.status("processing", progress === undefined ? {} : { result: { progress } }),
  /** @param result raw JSON text */
  completed: (result = '{"markdown":"# Hello","page_count":1}'): Answer => ({
    body:
      `{"job_id":"any","status":"completed","created_at":"${CREATED_AT}",` +
      `"updated_at":"${UPDATED_AT}","result":${result}}`,
  }),
  failed: (error: string): Answer =>
    pulseAnswer.status("failed", { updated_at: UPDATED_AT, error }),
  error: (
    status: number,
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ): Answer => ({ status, headers, body: { error: { code, message, details: null } } }),
};

export const PULSE_TIMES = { createdAt: CREATED_AT, updatedAt: UPDATED_AT };

const UNKNOWN_JOB = pulseAnswer.error(404, "JOB_001", "Job not found");
const JOB_PATH = /^\/job\/([^/?]+)$/;

/** A fake Pulse: answers by script, remembers every request, and can go away. */
export interface FakeUpstream {
  readonly origin: string;
  /** Every request so far. */
  readonly requests: readonly UpstreamRequest[];
  /** From now on polls of the job are answered so; its first poll after this is number 1. */
  answer(jobId: string, script: Script<UpstreamRequest>): void;
  /** Only this key is taken; any, when null. */
  acceptKey(key: string | null): void;
  /** The job's polls so far. */
  polls(jobId: string): UpstreamRequest[];
  /** The job's first `count` polls, as soon as there are so many. */
  polled(jobId: string, count: number): Promise<UpstreamRequest[]>;
  /** `count` more polls of the job than there are now. */
  polledAgain(jobId: string, count?: number): Promise<UpstreamRequest[]>;
  /** The request to cancel the job, as soon as it came. The job is canceled by it. */
  canceled(jobId: string): Promise<UpstreamRequest>;
  /** Refuses connections until `open`. */
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Starts one on loopback. Jobs that no script names are unknown to it (404). */
export async function startFakeUpstream(): Promise<FakeUpstream> {
  const scripts = new Map<string, { script: Script<UpstreamRequest>; asked: number }>();
  const requests = new Arrivals<UpstreamRequest>("requests to the upstream");
  let acceptedKey: string | null = null;
  const ofJob = (method: string, jobId: string) => (request: UpstreamRequest) =>
    request.method === method && request.jobId === jobId;
  const server = new ScriptedServer(async (incoming) => {
    const request = read(incoming);
    requests.push(request);
    if (acceptedKey !== null && request.headers["x-api-key"] !== acceptedKey) {
      return pulseAnswer.error(401, "AUTH_002", "Invalid API key");
    }
    const jobId = request.jobId ?? "";
    if (request.method === "DELETE" && scripts.has(jobId)) {
      scripts.set(jobId, { script: pulseAnswer.status("canceled"), asked: 0 });
      return { body: { job_id: jobId, message: "Job canceled" } };
    }
    const job = scripts.get(jobId);
    if (job === undefined) return UNKNOWN_JOB;
    job.asked += 1;
    return answerOf(job.script, request, job.asked);
  });
  await server.open();
  return {
    get origin() {
      return server.origin;
    },
    requests: requests.all,
    answer: (jobId, script) => void scripts.set(jobId, { script, asked: 0 }),
    acceptKey: (key) => void (acceptedKey = key),
    polls: (jobId) => requests.matching(ofJob("GET", jobId)),
    polled: (jobId, count) => requests.first(count, ofJob("GET", jobId)),
    async polledAgain(jobId, count = 1) {
      const before = requests.matching(ofJob("GET", jobId)).length;
      return (await requests.first(before + count, ofJob("GET", jobId))).slice(before);
    },
    async canceled(jobId) {
      const [request] = await requests.first(1, ofJob("DELETE", jobId));
      if (request === undefined) throw new Error("unreachable");
      return request;
    },
    close: () => server.close(),
    open: () => server.open(),
  };
}

function read(incoming: IncomingMessage): UpstreamRequest {
  const { method = "", url: path = "" } = incoming;
  const segment = JOB_PATH.exec(path)?.[1];
  return {
    method,
    path,
    headers: plainHeaders(incoming),
    jobId: segment === undefined ? null : decodeURIComponent(segment),
    receivedAtMs: Date.now(),
  };
}
