import type { Random } from "../../runtime/runtime.ts";
import { jobId, readJobId } from "./job-id.ts";
import { type JobRequest, type JobRequestFault, parseJobRequest } from "./job-request.ts";
import { isEnded, type SandboxJob } from "./sandbox-job.ts";

/** How a submission ends: `full` when the store is full of jobs that have not ended. */
export type Submission =
  | { readonly kind: "accepted"; readonly job: SandboxJob }
  | { readonly kind: "invalid"; readonly faults: readonly JobRequestFault[] }
  | { readonly kind: "full" };

export interface JobStoreLimits {
  readonly jobsMax: number;
  /** Bytes of given results, which are kept; generated ones cost nothing. */
  readonly resultCharactersMax: number;
}

const JOB_STORE_LIMITS: JobStoreLimits = {
  jobsMax: 100_000,
  resultCharactersMax: 64 * 1024 * 1024,
};

// Room is made for many at once, so that a full store is not searched for each new job.
const DROP_SHARE = 0.01;

/**
 * The sandbox's jobs, in memory. When it is full, the oldest ended jobs are removed. A removed
 * job is rebuilt from its id, without its number of requests or a cancellation.
 */
export class JobStore {
  readonly #jobs = new Map<string, SandboxJob>();
  readonly #limits: JobStoreLimits;
  readonly #random: Random;
  #resultCharacters = 0;

  constructor(random: Random, limits: JobStoreLimits = JOB_STORE_LIMITS) {
    this.#random = random;
    this.#limits = limits;
  }

  get size(): number {
    return this.#jobs.size;
  }

  find(id: string, nowMs: number): SandboxJob | null {
    const held = this.#jobs.get(id);
    if (held !== undefined) return held;
    const parts = readJobId(id);
    return parts === null ? null : this.#add({ id, ...parts }, nowMs);
  }

  /** @param text the body of a submission, JSON */
  submit(text: string, nowMs: number): Submission {
    const parsed = parseJobRequest(text);
    if (!parsed.ok) return { kind: "invalid", faults: parsed.faults };
    const job = this.create(parsed.request, nowMs);
    return job === null ? { kind: "full" } : { kind: "accepted", job };
  }

  /** A new job, or null when the store is full of jobs that have not ended. */
  create(request: JobRequest, nowMs: number): SandboxJob | null {
    return this.#add({ id: this.#unusedId(request, nowMs), request, createdAtMs: nowMs }, nowMs);
  }

  #add(
    parts: Pick<SandboxJob, "id" | "request" | "createdAtMs">,
    nowMs: number,
  ): SandboxJob | null {
    const { request } = parts;
    if (!this.#hasRoomFor(request)) this.#dropEnded(request, nowMs);
    if (!this.#hasRoomFor(request)) return null;
    const job: SandboxJob = {
      ...parts,
      canceledAtMs: null,
      requests: 0,
      firstCredential: null,
      downloaded: false,
    };
    this.#jobs.set(job.id, job);
    this.#resultCharacters += resultCharacters(request);
    return job;
  }

  #hasRoomFor(request: JobRequest, jobs = 1): boolean {
    const characters = this.#resultCharacters + resultCharacters(request);
    return (
      this.#jobs.size + jobs <= this.#limits.jobsMax &&
      characters <= this.#limits.resultCharactersMax
    );
  }

  #dropEnded(request: JobRequest, nowMs: number): void {
    const jobsToFit = Math.max(1, Math.floor(this.#limits.jobsMax * DROP_SHARE));
    // A Map lists its entries in the order they were made.
    for (const job of this.#jobs.values()) {
      if (this.#hasRoomFor(request, jobsToFit)) return;
      if (!isEnded(job, nowMs)) continue;
      this.#jobs.delete(job.id);
      this.#resultCharacters -= resultCharacters(job.request);
    }
  }

  #unusedId(request: JobRequest, nowMs: number): string {
    let id: string;
    do id = jobId(request, nowMs, this.#hex());
    while (this.#jobs.has(id));
    return id;
  }

  #hex(): string {
    return Math.floor(this.#random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  }
}

function resultCharacters(request: JobRequest): number {
  return request.result?.length ?? 0;
}
