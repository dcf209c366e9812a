import type { Random } from "../../runtime/runtime.ts";
import {
  type JobRequest,
  type JobRequestFault,
  parseJobRequest,
  JOB_RESULT_BYTES_MAX,
  OUTCOMES,
} from "./job-request.ts";
import { isEnded, type SandboxJob } from "./sandbox-job.ts";
import { MISBEHAVIORS, type Misbehavior } from "./misbehavior.ts";

/** How a submission ends: `full` when the store is full of jobs that have not ended. */
export type Submission =
  | { readonly kind: "accepted"; readonly job: SandboxJob }
  | { readonly kind: "invalid"; readonly faults: readonly JobRequestFault[] }
  | { readonly kind: "full" };

interface JobStoreLimits {
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

/*
 * A job's id tells what was asked for and when: `sandbox-completed-3000ms-mi4u2v1k-5b1a2c09-200b-none`.
 * So a gateway that was restarted, or another node, knows jobs that it has never seen, and a kill -9 in
 * the middle can be tried in the sandbox. Only a result of one's own finds no room in an id.
 */
const OWN_RESULT = "own";
const ID =
  /^sandbox-([a-z]+)-(\d{1,8})ms-([\da-z]{1,9})-[\da-f]{8}-(\d{1,7})b-([a-z\d_]+)(-pointer)?$/;

/** @param nonce eight hex digits */
function jobId(request: JobRequest, createdAtMs: number, nonce: string): string {
  const { outcome, durationMs, resultBytes, misbehaviour, pointer, result } = request;
  if (result !== null) return `sandbox-${OWN_RESULT}-${createdAtMs.toString(36)}-${nonce}`;
  return (
    `sandbox-${outcome}-${durationMs}ms-${createdAtMs.toString(36)}-${nonce}` +
    `-${resultBytes}b-${misbehaviour}${pointer ? "-pointer" : ""}`
  );
}

/** The request that a job id encodes; null for any other id. */
function readJobId(
  id: string,
): { readonly request: JobRequest; readonly createdAtMs: number } | null {
  const [, name, duration, created = "", bytes, misbehaviour = "", pointer] = ID.exec(id) ?? [];
  const outcome = OUTCOMES.find((known) => known === name);
  const resultBytes = Number(bytes);
  if (outcome === undefined || !isMisbehavior(misbehaviour)) return null;
  if (resultBytes > JOB_RESULT_BYTES_MAX) return null;
  return {
    createdAtMs: Number.parseInt(created, 36),
    request: {
      outcome,
      durationMs: Number(duration),
      result: null,
      resultBytes,
      misbehaviour,
      pointer: pointer !== undefined,
    },
  };
}

function isMisbehavior(name: string): name is Misbehavior {
  return Object.hasOwn(MISBEHAVIORS, name);
}
