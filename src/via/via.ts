import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { parsePublicId } from "../core/ids/ids.ts";
import type { MemoryBudget } from "../lanes/shares/memory-budget.ts";
import type { RelayedHead, RelayedRequest } from "../outbound/exchange/relayed-exchange.ts";
import type { Signer } from "../providers/request/sign-aws.ts";
import { callbackFieldsOf, maySubmit, readSubmission } from "../providers/submission/submission.ts";
import type { SubmissionRequest } from "../providers/submission/recognize.ts";
import { ANSWER_HEADERS } from "../runtime/security-headers.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readViaAddress, VIA_PREFIX } from "./address.ts";
import {
  CachedStatuses,
  preferredWaitMs,
  sendCachedStatus,
  SERVED_FROM_HEADER,
  wantsCachedStatus,
} from "./cached-status.ts";
import { headerText, type LinksThrough } from "./forwarded-headers.ts";
import { heldAnswersBudget, readableBody } from "./held-answer.ts";
import { findKey, isPlaceOf, placeText } from "./key.ts";
import { type LaneTurn, LaneTurns } from "./lane-turns.ts";
import { readViaOptions, saysMore } from "./options.ts";
import { outgoingRequest, signedRequest, upstreamUrl } from "./outgoing.ts";
import type { Outcome, Problem } from "../core/problem.ts";
import type { StoredConnection } from "../store/connections/load-connections.ts";
import type { Passage, ViaServices } from "./services.ts";
import {
  BODY_STALLED,
  busy,
  invalidHeaders,
  NO_KEY,
  problemOfFailure,
  refused,
  tooManyAtOnce,
  unsupportedProblem,
} from "./problems.ts";
import {
  type AddedHeaders,
  type HeldBody,
  LOOKED_AT_BYTES_MAX,
  Relay,
  type RelayOutcome,
} from "./relay.ts";
import { arrivedBody, ClientGoneError, hasBody, readWhole, RequestBody } from "./request-body.ts";
import { type TakenBody, takeFromBody } from "./taken-body.ts";
import { type RecordedOutcome, recordVisit, type Visit } from "./visit.ts";

/** How long a request waits for its place in the lane of its connection. */
const TURN_WAIT_MS = 10_000;
/** Time that a refused client has to stop sending a body that is not read. */
const UNREAD_BODY_MS = 10_000;
const DEFAULT_CONNECTION = "default";
const SUBSCRIBED = "subscribed";
/** A signed request must be complete before it is sent. */
const SIGNED_BYTES_MAX = 10 * 1024 * 1024;
const OWN_ANSWER_HEADERS = Object.fromEntries(ANSWER_HEADERS);
const NO_BODY = Buffer.alloc(0);
const NONE_TAKEN: TakenBody = { body: null, bytesTaken: 0, callback: null };

type ViaRuntime = Pick<Runtime, "clock" | "log" | "metrics">;

/**
 * Submit-through: passes requests of clients on to the API of a connection, with the connection's
 * credential in place of the client's key, and subscribes to the jobs that they submit. One pass:
 *
 *   key ─▶ connection ─▶ options ─▶ place in the lane ─▶ upstream ─▶ job? ─▶ subscribe ─▶ answer
 */
export class Via {
  readonly #runtime: ViaRuntime;
  readonly #services: ViaServices;
  readonly #turns: LaneTurns;
  readonly #cached: CachedStatuses;
  readonly #inProgress = new Map<string, number>();
  readonly #heldAnswers: MemoryBudget<Relay>;
  readonly #idPrefix = `via-${randomBytes(5).toString("hex")}`;
  #requests = 0;

  constructor(runtime: ViaRuntime, services: ViaServices) {
    this.#runtime = runtime;
    this.#services = services;
    this.#turns = new LaneTurns(runtime);
    const { enterWait, leaveWait } = services.api;
    this.#cached = new CachedStatuses(runtime.clock, {
      ...services.statuses,
      enterWait,
      leaveWait,
    });
    const bytesMax = services.settings.heldAnswersBytesMax;
    this.#heldAnswers = heldAnswersBudget(bytesMax, services.limits);
    services.limits.measuredBy("via_answer_bytes", (projectId) =>
      this.#heldAnswers.heldBy(projectId),
    );
    services.limits.measuredBy("via_requests", (projectId) => this.#inProgress.get(projectId) ?? 0);
  }

  /** Answers one request under `/via/`. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#requests += 1;
    const visit: Visit = {
      requestId: `${this.#idPrefix}-${this.#requests.toString(36)}`,
      startedAtMs: this.#runtime.clock.monotonic(),
      passage: null,
      body: null,
      arrivedBytes: 0,
      sentAfterMs: null,
      answeredAfterMs: null,
      subscription: null,
      submission: null,
      servedFrom: null,
    };
    try {
      const prepared = await this.#prepare(request);
      if (!prepared.ok) return this.#refuse(request, response, visit, prepared.problem);
      visit.passage = prepared.value;
      const mayBeCached = wantsCachedStatus(prepared.value, request);
      if (mayBeCached && (await this.#serveCached(prepared.value, request, response, visit)))
        return;
      await this.#pass(prepared.value, request, response, visit);
    } catch (error) {
      if (error instanceof ClientGoneError) {
        return this.#record(request, visit, { kind: "client_gone" });
      }
      this.#runtime.log.error({ err: error, requestId: visit.requestId }, "a request failed");
      this.#refuse(request, response, visit, this.#services.api.problemOf(error));
    }
  }

  /**
   * Everything that can be refused before anything is sent upstream. Mostly all of it is in memory, and
   * each wait would cost as much as the checks do.
   */
  async #prepare(request: IncomingMessage): Promise<Outcome<Passage>> {
    const unsupported = unsupportedProblem(request);
    if (unsupported !== null) return { ok: false, problem: unsupported };
    const reading = readViaAddress(request.url ?? "");
    if (!reading.ok) return refused("malformed_request", reading.problem);
    const { address } = reading;
    const presented = findKey(request.headers, address.query);
    if (presented === null) return refused("unauthorized", NO_KEY);
    const authenticating = this.#services.api.authenticate(presented.key, request);
    const caller = authenticating instanceof Promise ? await authenticating : authenticating;
    if (!caller.ok) return caller;
    const projectId = caller.value;
    const finding = this.#findConnection(projectId, address.target);
    const connection = finding instanceof Promise ? await finding : finding;
    const known = connection && this.#services.providers.find(projectId, connection.provider);
    if (!connection || !known || connection.projectId !== projectId || connection.isDeleted) {
      return refused("not_found", notThere(address.target));
    }
    const { auth } = known.provider.definition;
    if (!isPlaceOf(auth, presented)) {
      const { name } = known.provider;
      return refused("unauthorized", `Send the API key ${placeText(auth)}, as ${name} has it.`);
    }
    const given = readViaOptions(request, address.query);
    if (!given.ok) return invalidHeaders(given.invalid);
    const { options } = given;
    if (saysMore(options)) {
      const target = { projectId, connection, known };
      const checked = await this.#services.api.checkOptions(target, options);
      if (!checked.ok) return checked;
    }
    const upstream = this.#services.upstreamOf(connection.id);
    const versionId = known.version?.id ?? null;
    const access = upstream.accessOf(versionId);
    if (access === null) {
      const why = upstream.problemOf(versionId) ?? "The connection can't be used just now.";
      return refused("upstream_not_asked", why);
    }
    const passage = { projectId, connection, known, address, presented, options, upstream, access };
    return { ok: true, value: passage };
  }

  /** A provider's connection `default`, or any by its id. */
  #findConnection(
    projectId: string,
    name: string,
  ): StoredConnection | null | Promise<StoredConnection | null> {
    const { connections } = this.#services;
    const id = parsePublicId("connection", name);
    if (id !== null) return connections.get(id);
    return (
      connections.find(projectId, name, DEFAULT_CONNECTION) ??
      connections.findFresh(projectId, name, DEFAULT_CONNECTION)
    );
  }

  /** Answers from the latest poll of a job; false when it can't. */
  async #serveCached(
    passage: Passage,
    request: IncomingMessage,
    response: ServerResponse,
    visit: Visit,
  ): Promise<boolean> {
    visit.servedFrom = "upstream";
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const found = await this.#cached.find(passage, preferredWaitMs(request), gone.signal);
    if (found === null) return false;
    if (!found.ok) this.#refuse(request, response, visit, found.problem);
    else if (response.destroyed) this.#record(request, visit, { kind: "client_gone" });
    else {
      visit.servedFrom = "cache";
      sendCachedStatus(response, found.value, () => this.#linksThrough(passage, request));
      const { status, body } = found.value.answer;
      this.#record(request, visit, { kind: "answered", status, bytes: body.length });
    }
    return true;
  }

  async #pass(
    passage: Passage,
    request: IncomingMessage,
    response: ServerResponse,
    visit: Visit,
  ): Promise<void> {
    const { projectId, upstream } = passage;
    const inProgress = this.#inProgress.get(projectId) ?? 0;
    const allowed = this.#services.limits.allowed(projectId, "via_requests");
    if (inProgress >= allowed) {
      this.#services.limits.refused("via_requests");
      return this.#refuse(request, response, visit, tooManyAtOnce(allowed));
    }
    this.#inProgress.set(projectId, inProgress + 1);
    try {
      const taking = this.#takeFromBody(passage, request, response, visit);
      const taken = taking instanceof Promise ? await taking : taking;
      if (taken === null) {
        const stalled = refused("request_timeout", BODY_STALLED);
        return this.#refuse(request, response, visit, stalled.problem);
      }
      const placing = this.#withCallback(passage, taken.callback);
      const placed = placing instanceof Promise ? await placing : placing;
      if (!placed.ok) return this.#refuse(request, response, visit, placed.problem);
      const isOwnKey = passage.presented.kind === "beside";
      const provider = isOwnKey ? null : passage.access.provider;
      const entering = this.#turns.take(upstream, provider, TURN_WAIT_MS);
      const turn = entering instanceof Promise ? await entering : entering;
      if (turn === null) {
        const facts = { nowMs: this.#runtime.clock.monotonic(), waitedMs: TURN_WAIT_MS };
        return this.#refuse(request, response, visit, busy(upstream.lane, facts));
      }
      const outcome = await this.#relay(placed.value, taken, { turn, request, response, visit });
      if (outcome.kind === "failed") turn.failed(outcome.failure);
      else turn.giveBack();
      if (outcome.kind === "failed") {
        this.#refuse(request, response, visit, problemOfFailure(outcome.failure, passage.access));
      } else this.#record(request, visit, outcome);
    } finally {
      const left = (this.#inProgress.get(projectId) ?? 1) - 1;
      if (left === 0) this.#inProgress.delete(projectId);
      else this.#inProgress.set(projectId, left);
    }
  }

  /** The body as it goes upstream, once its beginning was looked at where it may say where the callback goes. */
  #takeFromBody(
    passage: Passage,
    request: IncomingMessage,
    response: ServerResponse,
    visit: Visit,
  ): TakenBody | Promise<TakenBody | null> {
    const arrived = arrivedBody(request);
    if (arrived !== null) visit.arrivedBytes = arrived.length;
    else if (hasBody(request)) {
      visit.body = new RequestBody(request, this.#services.buffers, () => {
        if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
      });
    }
    const body = arrived ?? visit.body;
    if (body === null) return NONE_TAKEN;
    const fields = callbackFieldsOf(passage.known.provider, submissionRequest(passage, request));
    const idleMs = this.#services.settings.idleTimeoutMs;
    return takeFromBody(request, body, fields, { clock: this.#runtime.clock, idleMs });
  }

  /** The same passage with where its callback goes, if not to where its own headers say. */
  #withCallback(
    passage: Passage,
    callback: TakenBody["callback"],
  ): Outcome<Passage> | Promise<Outcome<Passage>> {
    const { options, connection } = passage;
    const ofConnection = connection.settings.via?.callback_url ?? null;
    const isPlaced = options.callbackUrl !== null || options.inbox !== null;
    if (isPlaced || (callback === null && ofConnection === null)) {
      return { ok: true, value: passage };
    }
    if (callback === null) {
      return {
        ok: true,
        value: { ...passage, options: { ...options, callbackUrl: ofConnection } },
      };
    }
    const placed = { ...options, callbackUrl: callback.url, callbackField: callback.pointer };
    return this.#checked({ ...passage, options: placed });
  }

  async #checked(passage: Passage): Promise<Outcome<Passage>> {
    const checked = await this.#services.api.checkOptions(passage, passage.options);
    return checked.ok ? { ok: true, value: passage } : checked;
  }

  #relay(
    passage: Passage,
    taken: TakenBody,
    of: {
      readonly turn: LaneTurn;
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      readonly visit: Visit;
    },
  ): Promise<RelayOutcome> {
    const { turn, request, response, visit } = of;
    const { clock } = this.#runtime;
    const elapsedMs = (): number => Math.round(clock.monotonic() - visit.startedAtMs);
    const relay = new Relay(request, response, {
      sent: () => void (visit.sentAfterMs = elapsedMs()),
      head: (head) => {
        visit.answeredAfterMs = elapsedMs();
        turn.answered(head);
        return looksAt(passage, request, head);
      },
      received: (chunk) => {
        turn.received(chunk);
        this.#services.buffers.passed(chunk.length);
      },
      look: (head, body) => this.#look(passage, request, visit, head, body),
      through: () => this.#linksThrough(passage, request),
      added: visit.servedFrom === null ? {} : { [SERVED_FROM_HEADER]: visit.servedFrom },
      projectId: passage.projectId,
      memory: this.#heldAnswers,
      clock,
    });
    const outgoing = outgoingRequest(passage, request, taken, this.#services.settings);
    const { sign } = passage.access.target.credential;
    if (sign === null || passage.presented.kind === "beside") {
      relay.begin(this.#services.relay(outgoing, relay));
      return relay.outcome;
    }
    return this.#relaySigned(outgoing, relay, { taken, sign, turn });
  }

  async #relaySigned(
    outgoing: RelayedRequest,
    relay: Relay,
    of: { readonly taken: TakenBody; readonly sign: Signer; readonly turn: LaneTurn },
  ): Promise<RelayOutcome> {
    const body = await wholeBody(of.taken);
    if (body === null) {
      of.turn.giveBack();
      const message = `Requests that are signed may have at most ${SIGNED_BYTES_MAX} bytes`;
      return { kind: "failed", failure: { code: "body_too_large", message } };
    }
    const signed = signedRequest(outgoing, body, of.sign, this.#runtime.clock.now());
    relay.begin(this.#services.relay(signed, relay));
    return relay.outcome;
  }

  #linksThrough(passage: Passage, request: IncomingMessage): LinksThrough {
    const to = `${this.#ownUrl(request)}${VIA_PREFIX}${passage.address.target}`;
    return { from: upstreamUrl(passage, ""), to };
  }

  /** How the client reaches this gateway. */
  #ownUrl({ headers }: IncomingMessage): string {
    if (this.#services.publicUrl !== null) return this.#services.publicUrl;
    const scheme = headers["x-forwarded-proto"] === "https" ? "https" : "http";
    return `${scheme}://${headers.host ?? ""}`;
  }

  /** Subscribes to the job that an answer names, if it names one. Never rejects. */
  async #look(
    passage: Passage,
    request: IncomingMessage,
    visit: Visit,
    { status, headers }: RelayedHead,
    held: HeldBody,
  ): Promise<AddedHeaders> {
    try {
      const { bytes, isWhole, isCrowded } = held;
      const asked = submissionRequest(passage, request);
      const body = readableBody(headers, bytes, { isWhole, bytesMax: LOOKED_AT_BYTES_MAX });
      const answer = { status, headers, body };
      const job = readSubmission(passage.known.provider, asked, answer);
      if (job === null && isCrowded) {
        this.#services.limits.refused("via_answer_bytes");
        return { [ERROR_HEADER]: "overloaded" };
      }
      if (job === null) return {};
      const idHeader = {
        "ringback-job-id": headerText(job.jobId),
        "ringback-recognized-by": job.recognizedBy,
      };
      const made = await this.#services.api.subscribe(passage, passage.options, job, {
        headers: asked.headers,
        requestId: visit.requestId,
      });
      if (made.ok) {
        visit.subscription = made.value;
        visit.submission = SUBSCRIBED;
        return { ...idHeader, "ringback-subscription-id": made.value };
      }
      visit.submission = made.problem.code;
      return { ...idHeader, [ERROR_HEADER]: made.problem.code };
    } catch (error) {
      const { code } = this.#services.api.problemOf(error);
      this.#runtime.log.warn(
        { err: error, requestId: visit.requestId },
        "a submitted job is unwatched",
      );
      visit.submission = code;
      return { [ERROR_HEADER]: code };
    }
  }

  #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    visit: Visit,
    problem: Problem,
  ): void {
    const { status, headers, body } = this.#services.api.render(problem, visit.requestId);
    if (!response.headersSent && !response.destroyed) {
      response.writeHead(status, {
        ...OWN_ANSWER_HEADERS,
        ...headers,
        "content-length": Buffer.byteLength(body),
        "x-request-id": visit.requestId,
      });
      response.end(request.method === "HEAD" ? "" : body);
      this.#letGo(request);
    } else if (!response.writableEnded) response.destroy();
    this.#record(request, visit, { kind: "answered", status, bytes: 0 }, problem.code);
  }

  /** An unused body is discarded for a while, so that its sender gets the answer. */
  #letGo(request: IncomingMessage): void {
    if (request.complete) return;
    const { socket } = request;
    const timer = this.#runtime.clock.setTimer(UNREAD_BODY_MS, () => {
      if (!request.complete) socket.destroy();
    });
    request.once("close", () => timer.cancel());
    request.resume();
  }

  #record(
    request: IncomingMessage,
    visit: Visit,
    outcome: RecordedOutcome,
    problem: string | null = null,
  ): void {
    recordVisit(this.#runtime, request, { visit, outcome, problem });
  }
}

function submissionRequest(
  passage: Passage,
  { method = "", headers }: IncomingMessage,
): SubmissionRequest {
  const { path } = passage.address;
  return { method, path, url: upstreamUrl(passage, path), headers };
}

/** Whether an answer may be that to a submission which is to be watched. */
function looksAt(passage: Passage, request: IncomingMessage, { status }: RelayedHead): boolean {
  const { options, known } = passage;
  if (options.callbackUrl === null && options.inbox === null) return false;
  return status < 400 && maySubmit(known.provider, submissionRequest(passage, request));
}

function notThere(name: string): string {
  return parsePublicId("connection", name) === null
    ? `There is no connection "${DEFAULT_CONNECTION}" at a provider ${JSON.stringify(name)}; make one with POST /v1/connections, or name a connection by its id.`
    : `There is no connection ${name}.`;
}

/** Null when it is too large to be signed. */
async function wholeBody({ body }: TakenBody): Promise<Buffer | null> {
  if (body === null) return NO_BODY;
  return Buffer.isBuffer(body) ? body : readWhole(body, SIGNED_BYTES_MAX);
}

const ERROR_HEADER = "ringback-subscription-error";
