import { type DownloadAttempt, decideAfterDownload } from "../core/download-outcome.ts";
import type {
  OutboundRequest,
  RequestOutcome,
  ResponseHeaders,
} from "../outbound/request-outcome.ts";
import { buildDownloadRequest } from "../providers/build-request.ts";
import { linkIn } from "../providers/download.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Pauses } from "../runtime/pauses.ts";
import type { UuidSource } from "../runtime/uuid-source.ts";
import type { FetchedPart, FetchedResult, FetchedResults } from "../store/fetched-results.ts";
import { DownloadParts } from "./download-parts.ts";
import type { UpstreamAccess } from "./upstream-access.ts";
import type { Watch } from "./watch.ts";

const FETCHES_AT_ONCE_MAX = 8;
const TIMEOUT_MS = 10 * 60_000;
const STORE_WAIT_MS_MAX = 16_000;

export interface ResultFetcherPorts {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  readonly log: Log;
  send(request: OutboundRequest): Promise<RequestOutcome>;
  readonly fetched: Pick<
    FetchedResults,
    "find" | "storePart" | "keep" | "forget" | "discardParts" | "bytesMax"
  >;
}

/** What became of a result that is a link. */
export type FetchOutcome =
  | { readonly kind: "stored"; readonly fetched: FetchedResult }
  /** The ending says so and carries the link. */
  | { readonly kind: "failed"; readonly note: string }
  /** This process stops; whoever polls the job next begins anew. */
  | { readonly kind: "stopped" };

/**
 * Fetches results that are links, once a job, before its ending is told: a link may be good for one
 * download. What comes is stored part by part and becomes the job's with the last one, so that of
 * a node that dies in between either all of it is found by the next, or the link is asked again.
 */
export class ResultFetcher {
  readonly #ports: ResultFetcherPorts;
  readonly #pauses: Pauses;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(ports: ResultFetcherPorts) {
    this.#ports = ports;
    this.#pauses = new Pauses(ports.clock);
  }

  /** The link to be fetched for a completed job, or null. */
  linkOf(access: UpstreamAccess, result: string | null): string | null {
    const { download } = access.provider;
    return download === null || result === null ? null : linkIn(download, result);
  }

  /** Never rejects. */
  async fetch(access: UpstreamAccess, watch: Watch, link: string): Promise<FetchOutcome> {
    await this.#turn();
    try {
      return await this.#attempts(access, watch, link);
    } catch (error) {
      this.#ports.log.error({ err: error, jobId: watch.jobId }, "a result could not be fetched");
      return failed("The result could not be stored.");
    } finally {
      this.#underWay -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Tidies up behind a recorded ending. Never rejects: what is left goes with its retention. */
  async forgetOnceRecorded(watch: Watch): Promise<void> {
    if (watch.state !== "dropped") return;
    try {
      await this.#ports.fetched.forget({ shardId: watch.shardId, jobRowId: watch.id });
    } catch (error) {
      this.#ports.log.warn({ err: error }, "a fetched result could not be tidied up after");
    }
  }

  /** Ends waits; downloads under way are cut off with the connections. */
  close(): void {
    this.#pauses.close();
    for (const begin of this.#waiting.splice(0)) begin();
  }

  async #turn(): Promise<void> {
    if (this.#underWay >= FETCHES_AT_ONCE_MAX) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#underWay += 1;
  }

  async #attempts(access: UpstreamAccess, watch: Watch, link: string): Promise<FetchOutcome> {
    const job = { shardId: watch.shardId, jobRowId: watch.id };
    let brokeOffBefore = false;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#pauses.isClosed) return { kind: "stopped" };
      // By another node, or by this one before its last start.
      const before = await this.#ports.fetched.find(job);
      if (before !== null) return { kind: "stored", fetched: before };
      const got = await this.#download(access, watch, link);
      if (got.kind === "stored" || got.kind === "stopped") return got;
      const step = decideAfterDownload(got.outcome, attempt, brokeOffBefore);
      brokeOffBefore ||= got.bytes > 0;
      const reason = access.redactText(step.reason);
      if (step.kind === "give_up") {
        const meanwhile = await this.#ports.fetched.find(job);
        return meanwhile === null ? failed(reason) : { kind: "stored", fetched: meanwhile };
      }
      this.#ports.log.info({ jobId: watch.jobId, reason }, "a result is fetched once more");
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
    const { clock, uuids, fetched } = this.#ports;
    const fetchedAtMs = clock.now();
    const request = buildDownloadRequest(access.target, link, fetchedAtMs);
    if (request.kind === "refused") {
      const failure = { code: "url_refused", message: request.problem } as const;
      return { kind: "not_got", outcome: { kind: "failed", failure }, bytes: 0 };
    }
    const eventId = uuids(fetchedAtMs, watch.shardId);
    const { shardId } = watch;
    const parts = new DownloadParts((number, bytes) =>
      this.#storePatiently({ shardId, eventId, number, bytes }),
    );
    const { method, origin, path, headers } = request;
    const outcome = await this.#ports.send({
      method,
      origin,
      path,
      headers,
      body: null,
      timeoutMs: TIMEOUT_MS,
      responseBytesMax: fetched.bytesMax,
      whenLarger: "fail",
      sink: parts,
    });
    if (outcome.kind === "answered" && outcome.status >= 200 && outcome.status <= 299) {
      await parts.end();
      const note = storedNote(outcome.headers, parts);
      const result = { eventId, note, fetchedAtMs };
      await fetched.keep({ shardId, jobRowId: watch.id }, result);
      return { kind: "stored", fetched: result };
    }
    if (parts.count > 0) await fetched.discardParts({ shardId, eventId });
    if (this.#pauses.isClosed) return { kind: "stopped" };
    return { kind: "not_got", outcome, bytes: parts.bytes };
  }

  /** A database that is away for a moment costs no download: the sender is held back meanwhile. */
  async #storePatiently(part: FetchedPart): Promise<void> {
    for (let waitMs = 250; ; waitMs *= 2) {
      try {
        return await this.#ports.fetched.storePart(part);
      } catch (error) {
        if (this.#pauses.isClosed || waitMs > STORE_WAIT_MS_MAX) throw error;
        await this.#pauses.pause(waitMs);
      }
    }
  }
}

function failed(error: string): FetchOutcome {
  return { kind: "failed", note: JSON.stringify({ status: "failed", error: error.slice(0, 500) }) };
}

function storedNote(headers: ResponseHeaders, parts: DownloadParts): string {
  const encoding = headers["content-encoding"];
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
