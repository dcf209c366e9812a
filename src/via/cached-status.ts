import type { IncomingMessage, ServerResponse } from "node:http";
import { SharedCache } from "../lanes/shares/shared-cache.ts";
import type { ObservedAnswer } from "../polling/watch/observed-answers.ts";
import { buildStatusRequest } from "../providers/request/build.ts";
import type { Clock } from "../runtime/clock.ts";
import { headerText, type LinksThrough, responseHeaders } from "./forwarded-headers.ts";
import { outgoingPath } from "./outgoing.ts";
import type { Outcome } from "../core/problem.ts";
import type { ObservedJobs, Passage, ViaApi } from "./services.ts";
import type { LiveJob } from "../store/jobs/load-jobs.ts";

/** How long a client may have a request held until its job moves. */
const HELD_MS_MAX = 60_000;
/** For so long a path is known to be about no job that is watched. */
const UNKNOWN_MS = 2_000;
const PATHS_KNOWN_MAX = 10_000;
/** Parts of a path that may be the name of a job; the last ones. */
const NAMES_MAX = 4;
const JOB_ID_CHARACTERS_MAX = 512;

/** A job by its row. */
type JobKey = Pick<LiveJob, "shardId" | "id" | "jobId">;

interface CachedStatus {
  readonly jobId: string;
  readonly answer: ObservedAnswer;
  readonly ageS: number;
}

type CachedStatusServices = ObservedJobs & Pick<ViaApi, "enterWait" | "leaveWait">;

/** Whether a request is one for a status that may come from the latest poll. */
export function wantsCachedStatus(passage: Passage, { method }: IncomingMessage): boolean {
  const own = passage.connection.settings.via?.serve_status;
  const isWanted = (passage.options.servesStatus ?? own) === "cached";
  // With a key of its own a client may see other jobs than the connection does.
  return isWanted && method === "GET" && passage.presented.kind !== "beside";
}

/** `wait=30` of the header Prefer (RFC 7240), in milliseconds. */
export function preferredWaitMs({ headers: { prefer } }: IncomingMessage): number {
  const wanted = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})/i.exec([prefer ?? []].flat().join(","))?.[1];
  return Math.min(Number(wanted ?? 0) * 1000, HELD_MS_MAX);
}

/**
 * Answers requests about watched jobs from their latest polls, so that however many
 * clients ask, the upstream is asked once. A request is about a job if it is the same as a poll of it.
 */
export class CachedStatuses {
  readonly #clock: Clock;
  readonly #services: CachedStatusServices;
  /** By connection and path. Null for no job that is live. */
  readonly #jobs = new SharedCache<{ readonly job: JobKey | null; readonly untilMs: number }>(
    PATHS_KNOWN_MAX,
  );

  constructor(clock: Clock, services: CachedStatusServices) {
    this.#clock = clock;
    this.#services = services;
  }

  /**
   * Null when the request has to go upstream: it is about no job that is watched, the node that watches
   * it does not say, or its answers are too large to be kept.
   * @param waitMs how long the answer is held until the job moves
   */
  async find(
    passage: Passage,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Outcome<CachedStatus> | null> {
    const found = await this.#jobAt(passage);
    if (found === null) return null;
    const { projectId } = passage;
    const job = { ...found, projectId };
    const { latest, enterWait, leaveWait } = this.#services;
    const known = latest.latest(job);
    if (known === null) return null;
    const mayWait = known === "awaited" || (waitMs > 0 && !known.isEnding);
    if (!mayWait) return { ok: true, value: this.#status(job, known) };
    const entered = await enterWait(projectId, signal);
    if (!entered.ok) return entered;
    try {
      const answer = known === "awaited" ? await latest.first(job, signal) : known;
      if (answer === null) return null;
      const moved = await latest.moved(job, answer, waitMs, signal);
      return moved && { ok: true, value: this.#status(job, moved) };
    } finally {
      leaveWait(projectId);
    }
  }

  #status({ jobId }: JobKey, answer: ObservedAnswer): CachedStatus {
    const ageS = Math.max(0, Math.floor((this.#clock.monotonic() - answer.atMs) / 1000));
    return { jobId, answer, ageS };
  }

  async #jobAt(passage: Passage): Promise<JobKey | null> {
    const path = outgoingPath(passage);
    const key = `${passage.connection.id} ${path}`;
    const nowMs = this.#clock.monotonic();
    const known = this.#jobs.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.job;
    const job = await this.#lookUp(passage, path);
    // A job stays what it is; that there is none may be another thing soon.
    this.#jobs.set(passage.projectId, key, {
      job,
      untilMs: job === null ? nowMs + UNKNOWN_MS : Infinity,
    });
    return job;
  }

  async #lookUp(passage: Passage, path: string): Promise<JobKey | null> {
    const { connection, upstream, access } = passage;
    for (const name of namesIn(passage.address)) {
      // When the database can't say, the upstream is asked.
      const jobs = await this.#services.findLiveJobs(connection.id, name).catch(() => []);
      for (const job of jobs) {
        const target = upstream.accessOf(job.providerVersionId)?.target;
        const params = JSON.parse(job.params) as Record<string, string>;
        const poll = target && buildStatusRequest(target, { jobId: job.jobId, params }, PLAIN_POLL);
        const isPoll = poll?.kind === "request" && poll.method === "GET" && poll.path === path;
        if (isPoll && poll.origin === access.target.origin) return job;
      }
    }
    return null;
  }
}

const PLAIN_POLL = { nowMs: 0, nextUrl: null, etag: null, mayLongPoll: false };

export const SERVED_FROM_HEADER = "ringback-served-from";

/** They belong to the exchange between the gateway and the upstream. */
const OF_THAT_EXCHANGE: ReadonlySet<string> = new Set([
  "age",
  "content-encoding",
  "content-length",
  "set-cookie",
]);

/** Sends the answer of a poll as that to a client's request, with its age (RFC 9111). */
export function sendCachedStatus(
  response: ServerResponse,
  { jobId, answer, ageS }: CachedStatus,
  through: () => LinksThrough,
): void {
  const raw: string[] = [];
  for (const [name, values = []] of Object.entries(answer.headers)) {
    if (OF_THAT_EXCHANGE.has(name)) continue;
    for (const value of [values].flat()) raw.push(name, value);
  }
  response.sendDate = false;
  response.writeHead(answer.status, [
    ...responseHeaders(raw, answer.status, through),
    "age",
    String(ageS),
    "content-length",
    String(answer.body.length),
    "ringback-job-id",
    headerText(jobId),
    SERVED_FROM_HEADER,
    "cache",
  ]);
  response.end(answer.body);
}

/** The parts of an address that may be a job's name, the likeliest first. */
function namesIn({ path, query }: Passage["address"]): readonly string[] {
  const segments = path.split("/").toReversed();
  const values = [...new URLSearchParams(query ?? "").values()];
  const names = [...segments.map(decoded), ...values].filter(
    (name) => name !== "" && name.length <= JOB_ID_CHARACTERS_MAX,
  );
  return [...new Set(names)].slice(0, NAMES_MAX);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
