import { createHash } from "node:crypto";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Clock } from "../../runtime/clock.ts";
import { type MayChange, requireKey } from "../access.ts";
import { type JobRequestFault, messageOfFaults } from "./job-request.ts";
import type { JobStore } from "./job-store.ts";
import { errorOf, type RequestError } from "./misbehavior.ts";
import { pulseJobBody, resultText } from "./pulse-answer.ts";
import { pulseError, type PulseError } from "./pulse-error.ts";
import { isEnded, type SandboxJob } from "./sandbox-job.ts";

const SUBMISSION_BYTES_MAX = 1024 * 1024 + 4096;

/** The fake async job API, in Pulse's format: submit, ask, cancel, download. */
export function createJobRoutes({
  clock,
  jobs,
  sandboxUrl,
  mayChange,
}: {
  readonly clock: Clock;
  readonly jobs: JobStore;
  /** Where the sandbox is mounted, without a slash at the end. */
  readonly sandboxUrl: () => string;
  readonly mayChange: MayChange;
}): Hono {
  const routes = new Hono();

  routes.post(
    "/jobs",
    requireKey(mayChange),
    bodyLimit({
      maxSize: SUBMISSION_BYTES_MAX,
      onError: (c) => refuse(c, TOO_LARGE),
    }),
    async (c) => {
      const submission = jobs.submit(await c.req.text(), clock.now());
      switch (submission.kind) {
        case "accepted": {
          const { id } = submission.job;
          return c.json({ job_id: id, status: "pending", message: "Job submitted." }, 202);
        }
        case "invalid":
          return refuse(c, invalid(submission.faults));
        case "full":
          return refuse(c, FULL);
      }
    },
  );

  routes.get("/jobs/:id", async (c) => {
    const job = jobs.find(c.req.param("id"), clock.now());
    if (job === null) return refuse(c, NOT_FOUND);
    const wrong = nextError(job, credentialOf(c));
    if (wrong.kind === "refuse") return refuse(c, wrong.error);
    if (wrong.kind === "delay") await elapse(clock, wrong.delayMs);
    const processing = wrong.kind === "rename_processing" ? wrong.status : "processing";
    const downloadUrl = `${sandboxUrl()}/downloads/${job.id}`;
    const body = pulseJobBody(job, clock.now(), processing, downloadUrl);
    return json(c, wrong.kind === "cut_short" ? body.slice(0, body.length / 2) : body);
  });

  // As at any job API, with the credential that asks for the job.
  routes.delete("/jobs/:id", (c) => {
    const job = jobs.find(c.req.param("id"), clock.now());
    if (job === null) return refuse(c, NOT_FOUND);
    const nowMs = clock.now();
    if (isEnded(job, nowMs)) return c.json({ job_id: job.id, message: "Job has already ended." });
    job.canceledAtMs = nowMs;
    return c.json({ job_id: job.id, message: "Job canceled." });
  });

  routes.get("/downloads/:id", (c) => {
    const job = jobs.find(c.req.param("id"), clock.now());
    if (job === null || !job.request.pointer || !isEnded(job, clock.now())) {
      return refuse(c, NOT_FOUND);
    }
    if (job.downloaded) return refuse(c, DOWNLOADED);
    job.downloaded = true;
    return json(c, resultText(job));
  });

  return routes;
}

const TOO_LARGE = pulseError(
  413,
  "SANDBOX_002",
  `The body is larger than ${SUBMISSION_BYTES_MAX} bytes.`,
);
const FULL = pulseError(
  503,
  "SANDBOX_003",
  "The sandbox is full of jobs that have not ended; cancel some.",
  { retryAfterS: 10 },
);
const NOT_FOUND = pulseError(404, "JOB_001", "Job not found");
const DOWNLOADED = pulseError(410, "SANDBOX_004", "This download works once, and it was used.");

/** Counts a status request and decides what goes wrong with its answer. */
function nextError(job: SandboxJob, credential: string): RequestError {
  job.requests += 1;
  job.firstCredential ??= credential;
  return errorOf(job.request.misbehaviour, job.requests, job.firstCredential === credential);
}

/** Tells credentials apart without keeping any. */
function credentialOf(c: Context): string {
  const credential = c.req.header("x-api-key") ?? c.req.header("authorization") ?? "";
  return createHash("sha256").update(credential).digest("base64");
}

/** The faults as data, and in the message for those who read no further. */
function invalid(faults: readonly JobRequestFault[]): PulseError {
  return pulseError(400, "SANDBOX_001", messageOfFaults(faults), { details: faults });
}

function refuse(c: Context, { status, retryAfterS, ...error }: PulseError): Response {
  if (retryAfterS !== null) c.header("retry-after", String(retryAfterS));
  return c.json({ error }, status);
}

/** For text that is JSON already; `c.json` would quote it. */
function json(c: Context, text: string): Response {
  return c.body(text, 200, { "content-type": "application/json" });
}

function elapse(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(delayMs, resolve));
}
