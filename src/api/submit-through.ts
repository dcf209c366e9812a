import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { HeaderValues } from "../core/job/retry-after.ts";
import type { ProblemCode } from "../core/error-codes.ts";
import { publicId } from "../core/ids/ids.ts";
import { pause } from "../runtime/clock.ts";
import { readTraceContext } from "../core/trace-context.ts";
import type { SubmissionOptions, SubmissionTarget } from "../intake/submission.ts";
import type { SubmittedJob } from "../providers/submission/recognize.ts";
import { hashApiKey } from "../runtime/secrets/api-key.ts";
import { invalidPointers } from "../runtime/settings/invalid-places.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import { REQUEST_DEADLINE_MS } from "./app.ts";
import type { ApiServices } from "./services.ts";
import { Authenticator, type Caller, scopeRefusal } from "./http/auth.ts";
import { problemAnswer } from "./http/problem.ts";
import type { Outcome, Problem, Refusal } from "../core/problem.ts";
import { problemOfError } from "./http/unexpected-error.ts";
import { clientAddress } from "./request/client-address.ts";
import type { RateVerdict } from "./request/request-rates.ts";
import { subscriptionRequestSchema } from "./subscriptions/schema.ts";
import { subscribe } from "./subscriptions/subscribe.ts";
import {
  validateSubscription,
  type SubscriptionRequest,
} from "./subscriptions/validate-subscription.ts";

/** The header that a field of a subscription comes from. */
const HEADER_OF_FIELD: Readonly<Record<string, string>> = {
  callback_url: "ringback-callback-url",
  inbox: "ringback-inbox",
  metadata: "ringback-metadata",
  events: "ringback-events",
  payload: "ringback-payload",
  deadline_s: "ringback-deadline-s",
};

/** How long a submission waits for its subscription to be stored. */
interface Patience {
  readonly storeTimeoutMs: number;
  readonly isStopping: () => boolean;
}

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

/** Takes the place of the job that is not known yet. */
const UNKNOWN_JOB = { jobId: "-", params: {} };

/** Takes the place of a callback that is found later, in the body, or of none. */
const UNKNOWN_INBOX = "unknown";

/** Gives submit-through the API's keys, subscriptions and problems. */
export function submitThrough(services: ApiServices, { storeTimeoutMs, isStopping }: Patience) {
  const authenticator = new Authenticator(services);
  const hashes = new KeyHashes();
  const admit = (caller: Outcome<Caller>, client: ViaClient) => {
    if (!caller.ok) {
      const isFlood = caller.problem.code === "too_many_refused_keys";
      return isFlood ? services.admission.holdBackFrom(client.address, caller) : caller;
    }
    const verdict = services.admission.admit(caller.value.projectId);
    return verdict instanceof Promise
      ? verdict.then((given) => admitted(caller.value, given))
      : admitted(caller.value, verdict);
  };
  return {
    /** At once for a key in memory whose project is within its rate. */
    authenticate(
      key: string,
      request: IncomingMessage,
    ): Outcome<string> | Promise<Outcome<string>> {
      const client = new ViaClient(request, services);
      const caller = authenticator.authenticateKey(key, client, hashes.of(request, key));
      return caller instanceof Promise
        ? caller.then((found) => admit(found, client))
        : admit(caller, client);
    },
    async checkOptions(
      target: SubmissionTarget,
      options: SubmissionOptions,
    ): Promise<Outcome<null>> {
      const isPlaced = options.callbackUrl !== null || options.inbox !== null;
      const placed = isPlaced ? options : { ...options, inbox: UNKNOWN_INBOX };
      const requested = subscriptionRequest(target, placed, UNKNOWN_JOB, null);
      const problem = requested.ok
        ? await problemOfRequest(requested.value, options, services)
        : requested.problem;
      return problem === null ? { ok: true, value: null } : { ok: false, problem };
    },
    async subscribe(
      target: SubmissionTarget,
      options: SubmissionOptions,
      job: SubmittedJob,
      { headers, requestId }: { readonly headers: HeaderValues; readonly requestId: string },
    ): Promise<Outcome<string>> {
      // An attempt whose outcome is not known may have stored it: the next one finds it by its key.
      const named = { ...options, idempotencyKey: options.idempotencyKey ?? requestId };
      const requested = subscriptionRequest(target, named, job, traceOf(headers));
      if (!requested.ok) return requested;
      const giveUpAtMs = services.clock.monotonic() + storeTimeoutMs;
      for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
        const attempt = await subscribeOnce(requested.value, services);
        if (attempt.kind === "over") return attempt.outcome;
        const isTooLate = services.clock.monotonic() + waitMs > giveUpAtMs;
        if (isTooLate || isStopping()) return { ok: false, problem: attempt.problem };
        await pause(services.clock, waitMs);
      }
    },
    /** Null once the request may wait; then it has to `leaveWait`. */
    async enterWait(projectId: string, signal: AbortSignal): Promise<Outcome<null>> {
      return (await services.waiting.enter(projectId, signal)) ?? { ok: true, value: null };
    },
    leaveWait: (projectId: string): void => services.waiting.leave(projectId),
    problemOf: (error: unknown): Problem => problemOfError(error, { mayHaveActed: true }),
    render(problem: Problem, requestId: string) {
      const { status, headers, body } = problemAnswer(problem, requestId);
      return { status, headers, body: typeof body === "string" ? body : "" };
    },
  };
}

function admitted(caller: Caller, { fields, refusal }: RateVerdict): Outcome<string> {
  if (refusal !== null) return withHeaders(refusal, fields);
  return scopeRefusal(caller, "submit") ?? { ok: true, value: caller.projectId };
}

/** The hash of the key that a connection's latest request had: the next one mostly has the same. */
class KeyHashes {
  readonly #latest = new WeakMap<object, { readonly key: string; readonly keyHash: string }>();

  of({ socket }: IncomingMessage, key: string): string {
    const latest = this.#latest.get(socket);
    if (latest?.key === key) return latest.keyHash;
    const keyHash = hashApiKey(key);
    this.#latest.set(socket, { key, keyHash });
    return keyHash;
  }
}

function withHeaders({ problem }: Refusal, fields: Problem["headers"]): Refusal {
  return { ok: false, problem: { ...problem, headers: { ...problem.headers, ...fields } } };
}

type Attempt =
  | { readonly kind: "over"; readonly outcome: Outcome<string> }
  /** The same may be stored a little later. */
  | { readonly kind: "later"; readonly problem: Problem };

async function subscribeOnce(
  requested: SubscriptionRequest,
  services: ApiServices,
): Promise<Attempt> {
  try {
    const made = await withDeadline(services.clock, REQUEST_DEADLINE_MS, (deadline) =>
      subscribe(requested, services, {
        deadline,
        database: services.database.within(deadline, requested.projectId),
      }),
    );
    if (made.ok) {
      const id = publicId("subscription", made.value.subscription.id);
      return { kind: "over", outcome: { ok: true, value: id } };
    }
    const { problem } = made;
    return PASSING.has(problem.code)
      ? { kind: "later", problem }
      : { kind: "over", outcome: { ok: false, problem } };
  } catch (error) {
    const problem = problemOfError(error, { mayHaveActed: true });
    if (!PASSING.has(problem.code)) throw error;
    return { kind: "later", problem };
  }
}

/** Problems that have nothing to do with the request. */
const PASSING: ReadonlySet<string> = new Set<ProblemCode>([
  "database_unavailable",
  "overloaded",
  "too_many_requests",
]);

function subscriptionRequest(
  target: SubmissionTarget,
  options: SubmissionOptions,
  job: SubmittedJob | typeof UNKNOWN_JOB,
  trace: string | null,
): Outcome<SubscriptionRequest> {
  const { callbackUrl, inbox, metadata, events, payload, deadlineS, idempotencyKey } = options;
  const fields = {
    job_id: job.jobId,
    ...(inbox === null ? { callback_url: callbackUrl } : { inbox }),
    provider: target.known.provider.name,
    connection: target.connection.name,
    params: job.params,
    ...(events !== null && { events }),
    ...(payload !== null && { payload }),
    ...(deadlineS !== null && { deadline_s: deadlineS }),
    ...(metadata !== null && { metadata: JSON.parse(metadata) as unknown }),
  };
  const parsed = subscriptionRequestSchema.safeParse(fields);
  if (!parsed.success) {
    return { ok: false, problem: inHeaders(invalidPointers(parsed.error.issues), options) };
  }
  return {
    ok: true,
    value: {
      projectId: target.projectId,
      request: parsed.data,
      // Only the digits of the metadata are taken from the text.
      text: metadata === null ? "{}" : `{"metadata":${metadata}}`,
      // A repeated submission may create another job, which must be watched too.
      idempotencyKey:
        idempotencyKey === null ? null : hash("sha256", `${idempotencyKey}\n${job.jobId}`, "hex"),
      trace,
      ...("recognizedBy" in job && { recognizedBy: job.recognizedBy }),
    },
  };
}

/** Why no subscription can be made, whatever job it is for. */
async function problemOfRequest(
  requested: SubscriptionRequest,
  options: SubmissionOptions,
  services: ApiServices,
): Promise<Problem | null> {
  const prepared = await validateSubscription(requested, services);
  if (prepared.ok) return null;
  const { errors = [] } = prepared.problem;
  const lasting = errors.filter(({ pointer = "" }) => !pointer.startsWith("/params"));
  return lasting.length === 0 ? null : inHeaders(lasting, options);
}

/** Problems, by the headers or the body field that caused them. */
function inHeaders(
  parts: readonly { readonly pointer?: string; readonly detail: string }[],
  { callbackField }: SubmissionOptions,
): Problem {
  const errors = parts.map(({ pointer = "", detail }) => {
    const field = pointer.split("/")[1] ?? "";
    if (field === CALLBACK_URL && callbackField !== null) return { pointer: callbackField, detail };
    return { header: HEADER_OF_FIELD[field] ?? field, detail };
  });
  const [first] = errors;
  const place = first && ("header" in first ? first.header : first.pointer);
  const isOfUrl = parts.every(({ pointer = "" }) => pointer.split("/")[1] === CALLBACK_URL);
  return {
    code: isOfUrl ? "callback_url_refused" : "invalid_header",
    detail: `${place ?? ""}: ${first?.detail ?? ""}`,
    errors,
  };
}

const CALLBACK_URL = "callback_url";

function traceOf({ traceparent, tracestate }: HeaderValues): string | null {
  if (typeof traceparent !== "string") return null;
  return readTraceContext(traceparent, typeof tracestate === "string" ? tracestate : null);
}

/** The client of a request, whose address is found out where it is needed. */
class ViaClient {
  readonly #request: IncomingMessage;
  readonly #services: Pick<ApiServices, "isTrustedProxy">;

  constructor(request: IncomingMessage, services: Pick<ApiServices, "isTrustedProxy">) {
    this.#request = request;
    this.#services = services;
  }

  get address(): string {
    const { socket, headers } = this.#request;
    const forwarded = headers["x-forwarded-for"];
    const source = {
      peer: socket.remoteAddress,
      forwardedFor: forwarded === undefined ? null : String(forwarded),
    };
    return clientAddress(source, (address) => this.#services.isTrustedProxy(address));
  }
}
