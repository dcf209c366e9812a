import { setMaxListeners } from "node:events";
import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import {
  type DownloadAttempt,
  decideAfterDownload,
  isWholeDownload,
} from "../../core/job/download-outcome.ts";
import type { RawResult } from "../../core/json/raw-result.ts";
import { DecodingSink, SinkRefusal } from "../../outbound/exchange/decoding-sink.ts";
import type {
  AnsweredRequest,
  RequestOutcome,
  ResponseHeaders,
} from "../../outbound/exchange/request-outcome.ts";
import { isRedirect } from "../../providers/answer/redirect.ts";
import { resolveLink } from "../../providers/language/allowed-url.ts";
import { buildDownloadRequest, buildStatusRequest } from "../../providers/request/build.ts";
import type { UpstreamRequest } from "../../providers/request/upstream-request.ts";
import { linkIn } from "../../providers/compile/download.ts";
import type { Timer } from "../../runtime/clock.ts";
import { Pauses } from "../../runtime/stopping.ts";
import type { FetchedResult, FetchedResults, JobRowKey } from "../../store/jobs/fetched-results.ts";
import { isTransient } from "../../store/db/errors.ts";
import { DownloadParts } from "./parts.ts";
import type { UpstreamAccess } from "../upstream/access.ts";
import type { Watch } from "../watch/watch.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A download in progress holds a part or two in memory, at most about a mebibyte. */
const FETCHES_AT_ONCE = { perConnection: 8, total: 64 };
const TIMEOUT_MS = 10 * 60_000;
/** How often a link may send a download on. */
const REDIRECTS_MAX = 3;
/** Between tries while the database is away, doubling. */
const DATABASE_WAIT_MS = 250;
const DATABASE_WAIT_MS_MAX = 4_000;
const CLAIM_RENEWED_MS = 2_000;
/** How often one looks at what another node fetches. */
const LOOK_AGAIN_MS = 1_000;

export interface ResultFetcherOptions {
  readonly limits: ProjectLimits;
  readonly upstreamClient: Pick<RequestClient, "send">;
  readonly fetched: Pick<
    FetchedResults,
    "claim" | "renewClaim" | "letGo" | "storePart" | "keep" | "forget" | "discardParts" | "bytesMax"
  >;
}

/** The outcome of fetching a result that is a link. */
export type FetchOutcome =
  | { readonly kind: "stored"; readonly fetched: FetchedResult }
  /** The ending says so and carries the link. */
  | { readonly kind: "failed"; readonly note: string }
  /** This process stops; the next node that polls the job starts again. */
  | { readonly kind: "stopped" };

/** Downloads of a project at once, whichever connections they are for. */
export function downloadTurns(limits: Pick<ProjectLimits, "allowed">): FairSemaphore {
  return new FairSemaphore({
    resource: "downloads",
    permitsMax: FETCHES_AT_ONCE.total,
    permitsPerProjectMax: (projectId) => limits.allowed(projectId, "downloads_running"),
    waitingPerProjectMax: Infinity,
  });
}

/**
 * Fetches results that are links, once for each job, before its ending is recorded: a link may work
 * for only one download. The parts are stored as they come and belong to the job once the last one is
 * stored, so after a node died, the next node finds all of them or requests the link again. An outage
 * of the database is waited out, since a second download may be refused. If the shard is lost during
 * that wait and the job is watched again, both watches wait for the same download. Another node that
 * watches the job by then waits as well, as long as the claim is renewed.
 */
export class ResultFetcher {
  readonly #runtime: Runtime;
  readonly #options: ResultFetcherOptions;
  readonly #pauses: Pauses;
  /** A connection takes its own turn first, so that it can't use up its project's. */
  readonly #connectionTurns = new FairSemaphore({
    resource: "downloads",
    permitsMax: Infinity,
    permitsPerProjectMax: () => FETCHES_AT_ONCE.perConnection,
    waitingPerProjectMax: Infinity,
  });
  readonly #projectTurns: FairSemaphore;
  readonly #closing = new AbortController();
  /** By job. */
  readonly #inProgress = new Map<string, Promise<FetchOutcome>>();

  constructor(runtime: Runtime, options: ResultFetcherOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#projectTurns = downloadTurns(options.limits);
    options.limits.measuredBy("downloads_running", (id) => this.#projectTurns.heldBy(id));
    this.#pauses = new Pauses(runtime.clock);
    // Each download that waits for its turn listens.
    setMaxListeners(0, this.#closing.signal);
  }

  /** The link to be fetched for a completed job, or null. */
  linkOf(access: UpstreamAccess, watch: Watch, result: RawResult | null): string | null {
    const { download } = access.provider;
    const link = download === null || result === null ? null : linkIn(download, result);
    if (link === null) return null;
    const nextUrl = watch.memory?.nextUrl ?? null;
    const facts = { nowMs: this.#runtime.clock.now(), nextUrl, etag: null, mayLongPoll: false };
    const asked = buildStatusRequest(access.target, watch, facts);
    return asked.kind === "refused" ? link : resolveLink(link, asked.origin + asked.path);
  }

  /** Never rejects. */
  fetch(access: UpstreamAccess, watch: Watch, link: string): Promise<FetchOutcome> {
    const key = `${watch.shardId} ${watch.id}`;
    const known = this.#inProgress.get(key);
    if (known !== undefined) return known;
    const fetching = this.#inTurn(access, watch, link).finally(() => this.#inProgress.delete(key));
    this.#inProgress.set(key, fetching);
    return fetching;
  }

  async #inTurn(access: UpstreamAccess, watch: Watch, link: string): Promise<FetchOutcome> {
    const turns = [
      { semaphore: this.#connectionTurns, group: watch.connectionId },
      { semaphore: this.#projectTurns, group: access.projectId },
    ];
    const held: typeof turns = [];
    try {
      for (const turn of turns) {
        const acquisition = await turn.semaphore.acquire(turn.group, this.#closing.signal);
        if (acquisition !== "acquired") return { kind: "stopped" };
        held.push(turn);
      }
      return await this.#claimed(access, watch, link);
    } catch (error) {
      if (this.#pauses.isClosed) return { kind: "stopped" };
      this.#runtime.log.error({ err: error, jobId: watch.jobId }, "a result could not be fetched");
      return failed("The result could not be stored.");
    } finally {
      for (const { semaphore, group } of held.toReversed()) semaphore.release(group);
    }
  }

  /** Tidies up behind a recorded ending. Never rejects: what is left goes with its retention. */
  async forgetOnceRecorded(watch: Watch): Promise<void> {
    if (watch.state !== "dropped") return;
    try {
      await this.#options.fetched.forget({ shardId: watch.shardId, jobRowId: watch.id });
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "a fetched result could not be tidied up after");
    }
  }

  /** Ends waits. Downloads in progress are aborted with their connections. */
  close(): void {
    this.#pauses.close();
    this.#closing.abort();
  }

  /** Once no other node fetches it. */
  async #claimed(access: UpstreamAccess, watch: Watch, link: string): Promise<FetchOutcome> {
    const { clock, uuids } = this.#runtime;
    const { fetched } = this.#options;
    const job = { shardId: watch.shardId, jobRowId: watch.id };
    const claimId = uuids(clock.now(), watch.shardId);
    while (!this.#pauses.isClosed) {
      const claim = await this.#patiently(() => fetched.claim(job, claimId));
      if (claim.kind === "stored") return claim;
      if (claim.kind === "claimed") {
        const holding = this.#hold(job, claimId);
        try {
          return await this.#attempts(access, watch, link, claim.brokeOffBefore);
        } finally {
          await holding.end();
        }
      }
      await this.#pauses.pause(LOOK_AGAIN_MS);
    }
    return { kind: "stopped" };
  }

  /** Keeps a claim; at its end, when this process stops, leaves it to others. */
  #hold(job: JobRowKey, claimId: string): { end(): Promise<void> } {
    const { clock, log } = this.#runtime;
    const { fetched } = this.#options;
    const logFailure = (error: unknown): void =>
      log.debug({ err: error }, "failed to renew a claim to fetch a result");
    let timer: Timer | null = null;
    const renew = (): void => {
      timer = clock.setTimer(CLAIM_RENEWED_MS, () => {
        renew();
        fetched.renewClaim(job, claimId).catch(logFailure);
      });
    };
    renew();
    return {
      end: async () => {
        timer?.cancel();
        if (this.#pauses.isClosed) await fetched.letGo(job, claimId).catch(logFailure);
      },
    };
  }

  async #attempts(
    access: UpstreamAccess,
    watch: Watch,
    link: string,
    brokeOff: boolean,
  ): Promise<FetchOutcome> {
    const startedAtMs = this.#runtime.clock.monotonic();
    let brokeOffBefore = brokeOff;
    for (let attempts = 1; ; attempts += 1) {
      if (this.#pauses.isClosed) return { kind: "stopped" };
      const got = await this.#download(access, watch, link);
      if (got.kind === "stored" || got.kind === "stopped") return got;
      const tookMs = this.#runtime.clock.monotonic() - startedAtMs;
      const step = decideAfterDownload(got.outcome, { attempts, tookMs, brokeOffBefore });
      brokeOffBefore ||= got.outcome.kind === "failed" && got.bytes > 0;
      const reason = access.redactText(step.reason);
      if (step.kind === "give_up") return failed(reason);
      this.#runtime.log.info({ jobId: watch.jobId, reason }, "retrying to fetch a result");
      await this.#pauses.pause(step.afterMs);
    }
  }

  async #download(
    access: UpstreamAccess,
    watch: Watch,
    link: string,
  ): Promise<
    | Exclude<FetchOutcome, { kind: "failed" }>
    | { readonly kind: "not_got"; readonly outcome: DownloadAttempt; readonly bytes: number }
  > {
    const { clock, uuids } = this.#runtime;
    const { fetched } = this.#options;
    const fetchedAtMs = clock.now();
    const eventId = uuids(fetchedAtMs, watch.shardId);
    const { shardId } = watch;
    let isOver = false;
    const parts = new DownloadParts((number, bytes) =>
      this.#patiently(
        () => fetched.storePart({ shardId, eventId, number, bytes }),
        () => isOver,
      ),
    );
    const { outcome, isDecoded } = await this.#follow(access, link, parts);
    if (outcome.kind === "answered" && isWholeDownload(outcome.status)) {
      await parts.end();
      const note = access.redactText(storedNote(outcome.headers, parts, isDecoded));
      const result = { eventId, note, fetchedAtMs };
      const job = { shardId, jobRowId: watch.id };
      await this.#patiently(() => fetched.keep(job, result));
      return { kind: "stored", fetched: result };
    }
    isOver = true;
    if (parts.count > 0) await this.#discardParts({ shardId, eventId });
    if (this.#pauses.isClosed) return { kind: "stopped" };
    return { kind: "not_got", outcome, bytes: parts.bytes };
  }

  /**
   * Requests a link and what it redirects to, as far as links of results may lead. The credential goes
   * along within the origin that redirects, and never again once another has been asked.
   */
  async #follow(access: UpstreamAccess, link: string, parts: DownloadParts): Promise<Followed> {
    const { clock } = this.#runtime;
    let url = link;
    let mayCarryCredential = true;
    for (let redirects = 0; ; redirects += 1) {
      const request = buildDownloadRequest(access.target, url, clock.now(), mayCarryCredential);
      if (request.kind === "refused") {
        const failure = { code: "url_refused", message: request.problem } as const;
        return { outcome: { kind: "failed", failure }, isDecoded: false };
      }
      const followed = await this.#send(access, request, parts);
      const location = redirects < REDIRECTS_MAX ? locationOf(followed.outcome) : null;
      if (location === null) return followed;
      url = resolveLink(location, request.origin + request.path);
      mayCarryCredential &&= URL.parse(url)?.origin === request.origin;
    }
  }

  async #send(
    access: UpstreamAccess,
    { method, origin, path, headers }: UpstreamRequest,
    parts: DownloadParts,
  ): Promise<Followed> {
    const { fetched, upstreamClient } = this.#options;
    const decoding = new DecodingSink(parts, fetched.bytesMax);
    const sent = await upstreamClient.send({
      projectId: access.projectId,
      isTrusted: access.isTrusted && origin === access.target.origin,
      method,
      origin,
      path,
      headers,
      body: null,
      readsLeniently: true,
      timeoutMs: TIMEOUT_MS,
      responseBytesMax: fetched.bytesMax,
      whenLarger: "fail",
      sink: decoding,
    });
    return { outcome: await wholly(sent, decoding), isDecoded: decoding.decodes };
  }

  /** Parts that can't be removed now are removed by retention. */
  async #discardParts(of: { readonly shardId: number; readonly eventId: string }): Promise<void> {
    try {
      await this.#options.fetched.discardParts(of);
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "what came of a result could not be tidied up");
    }
  }

  /** A database that is away costs no download: it is asked until it answers, a sender held back. */
  async #patiently<T>(call: () => Promise<T>, isOver = (): boolean => false): Promise<T> {
    for (let waitMs = DATABASE_WAIT_MS; ; waitMs = Math.min(waitMs * 2, DATABASE_WAIT_MS_MAX)) {
      try {
        return await call();
      } catch (error) {
        if (this.#pauses.isClosed || isOver() || !isTransient(error)) throw error;
        await this.#pauses.pause(waitMs);
      }
    }
  }
}

/** The last response of a download. */
interface Followed {
  readonly outcome: AnsweredRequest | Extract<DownloadAttempt, { kind: "failed" }>;
  readonly isDecoded: boolean;
}

/** Where a redirect leads to, or null. */
function locationOf(outcome: Followed["outcome"]): string | null {
  if (outcome.kind === "failed" || !isRedirect(outcome.status)) return null;
  const { location } = outcome.headers;
  return typeof location === "string" && location !== "" ? location : null;
}

function failed(error: string): FetchOutcome {
  return { kind: "failed", note: JSON.stringify({ status: "failed", error: error.slice(0, 500) }) };
}

/** The outcome once all that came has been decoded. */
async function wholly(sent: RequestOutcome, decoding: DecodingSink): Promise<RequestOutcome> {
  if (sent.kind === "failed") {
    decoding.discard();
    return sent;
  }
  try {
    await decoding.end();
    return sent;
  } catch (error) {
    if (!(error instanceof SinkRefusal)) throw error;
    const failure = { code: error.code, message: error.message };
    return { kind: "failed", failure, durationMs: sent.durationMs };
  }
}

function storedNote(headers: ResponseHeaders, parts: DownloadParts, isDecoded: boolean): string {
  const encoding = isDecoded ? undefined : headers["content-encoding"];
  return JSON.stringify({
    status: "stored",
    content_type: headerText(headers["content-type"]) ?? "application/octet-stream",
    ...(encoding !== undefined && { content_encoding: headerText(encoding) }),
    bytes: parts.bytes,
    sha256: parts.sha256(),
  });
}

const HEADER_TEXT = /^[\x20-\x7e]{1,200}$/;

function headerText(value: string | readonly string[] | undefined): string | null {
  return typeof value === "string" && HEADER_TEXT.test(value) ? value : null;
}
