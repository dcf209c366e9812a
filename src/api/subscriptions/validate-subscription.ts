import { hash } from "node:crypto";
import { ENDING_EVENT_TYPES, eventMask, WANTS_RESULT_FETCHED } from "../../core/delivery/event.ts";
import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import { readTraceContext } from "../../core/trace-context.ts";
import { sliceRawJson, compactJson, rawJsonDepth } from "../../core/json/raw-json.ts";
import { signatureMask } from "../../core/signing.ts";
import type { SealedPlace, SecretBox } from "../../runtime/secrets/secret-box.ts";
import type { Provider, ProviderVersion } from "../../providers/compile/provider.ts";
import type { ProblemCode, Warning } from "../../core/error-codes.ts";
import { paramFaults, unknownProviderDetail, urlFaults } from "../providers/provider-faults.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts } from "../http/problem.ts";
import type { InvalidPart, Outcome, Refusal } from "../../core/problem.ts";
import { DEFAULT_CONNECTION, DEFAULT_PROVIDER, type SubscriptionBody } from "./schema.ts";
import type { AcceptRequest } from "../../store/writes/accept-subscriptions.ts";

const METADATA_BYTES_MAX = 4096;
// Readers of callbacks give up at greater depths.
const METADATA_DEPTH_MAX = 64;

/** One request for a subscription, of a well-formed shape. */
export interface SubscriptionRequest {
  readonly projectId: string;
  readonly request: SubscriptionBody;
  /** The JSON text that `request` was read from. */
  readonly text: string;
  readonly idempotencyKey: string | null;
  /** The trace that the request as a whole belongs to, as core/trace-context.ts reads it. */
  readonly trace: string | null;
  /** How submit-through recognized the submission. */
  readonly recognizedBy?: string;
}

export interface ValidationContext extends Pick<ApiServices, "checkCallbackUrl" | "secretBox"> {
  readonly providers: Pick<ApiServices["providers"], "find" | "findFresh" | "list">;
  readonly connections: Pick<ApiServices["connections"], "find" | "findFresh">;
}

/** A request that is ready to be stored. */
export interface ValidSubscription {
  readonly request: AcceptRequest;
  /** Warnings for the client; the subscription is accepted. */
  readonly warnings: readonly Warning[];
}

interface Fault {
  readonly code: ProblemCode;
  readonly part: InvalidPart;
}

/**
 * Validates a request against what the gateway knows, and prepares it for storage. Reports all
 * problems together.
 */
export async function validateSubscription(
  requested: SubscriptionRequest,
  services: ValidationContext,
): Promise<Outcome<ValidSubscription>> {
  const { request, projectId } = requested;
  const faults: Fault[] = [];
  const providerName = request.provider ?? DEFAULT_PROVIDER;
  const known =
    services.providers.find(projectId, providerName) ??
    (await services.providers.findFresh(projectId, providerName));
  const provider = known?.provider;
  if (provider === undefined) faults.push(unknownProvider(projectId, services.providers));
  else faults.push(...providerFaults(request, provider));

  const connectionName = request.connection ?? DEFAULT_CONNECTION;
  const connection =
    provider &&
    (services.connections.find(projectId, provider.name, connectionName) ??
      (await services.connections.findFresh(projectId, provider.name, connectionName)));
  if (connection === null) faults.push(unknownConnection(connectionName));
  if (provider && connection) {
    faults.push(...urlFaults(provider, connection.baseUrl, request.params ?? {}).map(invalid));
  }

  const metadata =
    request.metadata === undefined ? "{}" : (sliceRawJson(requested.text, ["metadata"]) ?? "{}");
  faults.push(...metadataFaults(metadata));

  const target = await targetOf(request, projectId, services);
  if (!target.ok) faults.push(refusedUrl(target.reason));

  if (faults.length > 0 || !known || !connection || !target.ok) return refuse(faults);
  const facts = { known, connectionId: connection.id, target, metadata };
  const { warnings } = target;
  return {
    ok: true,
    value: { request: acceptRequest(requested, facts, services.secretBox), warnings },
  };
}

/** The destination of the events, as it is stored. */
interface Target {
  readonly callbackUrl: string;
  readonly callbackOrigin: string;
}

async function targetOf(
  { callback_url: text, inbox }: SubscriptionBody,
  projectId: string,
  services: Pick<ValidationContext, "checkCallbackUrl">,
): Promise<
  | (Target & { readonly ok: true; readonly warnings: readonly Warning[] })
  | { readonly ok: false; readonly reason: string }
> {
  if (inbox !== undefined) {
    const target = inboxTarget(inbox);
    return { ok: true, callbackUrl: target, callbackOrigin: target, warnings: [] };
  }
  const callback = await services.checkCallbackUrl(projectId, text ?? "");
  if (!callback.ok) return callback;
  const { url, warnings = [] } = callback;
  return { ok: true, callbackUrl: url.href, callbackOrigin: url.origin, warnings };
}

function unknownProvider(projectId: string, providers: ValidationContext["providers"]): Fault {
  const detail = unknownProviderDetail(projectId, providers);
  return { code: "unknown_provider", part: { pointer: "/provider", detail } };
}

function unknownConnection(name: string): Fault {
  const detail =
    `This provider has no connection named ${JSON.stringify(name)}; ` +
    "create it with POST /v1/connections, or name one that exists.";
  return { code: "unknown_connection", part: { pointer: "/connection", detail } };
}

function providerFaults(request: SubscriptionBody, provider: Provider): Fault[] {
  const parts = paramFaults(provider, request.params ?? {});
  const deadlineSMax = Math.floor(provider.deadlineMsMax / 1000);
  if (request.deadline_s !== undefined && request.deadline_s > deadlineSMax) {
    const detail = `Must be at most ${deadlineSMax}, the longest that ${provider.name} allows.`;
    parts.push({ pointer: "/deadline_s", detail });
  }
  if (request.fetch_result === true && provider.download === null) {
    const detail = `The definition of ${provider.name} does not say how a result is fetched (result.download).`;
    parts.push({ pointer: "/fetch_result", detail });
  }
  return parts.map(invalid);
}

function invalid(part: InvalidPart): Fault {
  return { code: "validation_failed", part };
}

function metadataFaults(metadata: string): Fault[] {
  // Too short to exceed either limit.
  if (metadata.length <= METADATA_DEPTH_MAX) return [];
  const details: string[] = [];
  if (Buffer.byteLength(metadata) > METADATA_BYTES_MAX) {
    details.push(`Must be at most ${METADATA_BYTES_MAX} bytes of JSON.`);
  }
  if (rawJsonDepth(metadata) > METADATA_DEPTH_MAX) {
    details.push(`Must be nested at most ${METADATA_DEPTH_MAX} levels deep.`);
  }
  return details.map((detail) => ({
    code: "validation_failed",
    part: { pointer: "/metadata", detail },
  }));
}

function refusedUrl(reason: string): Fault {
  return { code: "callback_url_refused", part: { pointer: "/callback_url", detail: reason } };
}

/** A single fault keeps its own code. */
function refuse(faults: readonly Fault[]): Refusal {
  const [first] = faults;
  const code = faults.length === 1 && first !== undefined ? first.code : "validation_failed";
  const parts = faults.map((fault) => fault.part);
  return { ok: false, problem: problemOfParts(code, parts) };
}

interface SubscriptionFacts {
  readonly known: ProviderVersion;
  readonly connectionId: string;
  readonly target: Target;
  readonly metadata: string;
}

function acceptRequest(
  requested: SubscriptionRequest,
  facts: SubscriptionFacts,
  box: SecretBox,
): AcceptRequest {
  const { request, projectId, idempotencyKey } = requested;
  const { connectionId, target, metadata } = facts;
  const { provider, version } = facts.known;
  const unsealed = {
    projectId,
    connectionId,
    provider: provider.name,
    jobId: request.job_id,
    params: request.params ?? {},
    callbackUrl: target.callbackUrl,
    callbackOrigin: target.callbackOrigin,
    events: wantsOf(request),
    payload: request.payload ?? "full",
    metadata,
    headers: request.headers === undefined ? null : headersText(request.headers),
  };
  const secret = request.secret ?? null;
  const { deadline_s: deadlineS } = request;
  const retrySchedule =
    request.retry_schedule_s === undefined ? null : JSON.stringify(request.retry_schedule_s);
  const signatures = request.signatures === undefined ? null : signatureMask(request.signatures);
  return {
    ...unsealed,
    providerVersionId: version?.id ?? null,
    // Not hashed: a repeated request is another step of the same trace or of another.
    trace: traceOf(request) ?? requested.trace,
    recognizedBy: requested.recognizedBy ?? null,
    deadlineMs: deadlineS === undefined ? provider.deadlineMs : deadlineS * 1000,
    retrySchedule,
    signatures,
    sealFor: sealerOf(unsealed.headers, secret, box),
    idempotencyKey,
    ...requestHashes(
      idempotencyKey === null
        ? null
        : hashRequest({
            ...unsealed,
            // Only when set, so that a request hashes the same as before the field existed.
            ...(retrySchedule !== null && { retrySchedule }),
            ...(signatures !== null && { signatures }),
            deadlineS,
            secret,
          }),
      box,
    ),
  };
}

function sealerOf(
  headers: string | null,
  secret: string | null,
  box: SecretBox,
): AcceptRequest["sealFor"] {
  if (headers === null && secret === null) return null;
  return (id) => ({
    headers: sealed(headers, { column: "subscriptions.headers", id }, box),
    secret: sealed(secret, { column: "subscriptions.secret", id }, box),
  });
}

function sealed(plain: string | null, place: SealedPlace, box: SecretBox): string | null {
  return plain === null ? null : box.seal(plain, place);
}

function traceOf({ traceparent, tracestate }: SubscriptionBody): string | null {
  return traceparent === undefined ? null : readTraceContext(traceparent, tracestate ?? null);
}

function wantsOf({ events = ENDING_EVENT_TYPES, fetch_result: fetches }: SubscriptionBody): number {
  return eventMask(events) | (fetches === true ? WANTS_RESULT_FETCHED : 0);
}

function headersText(headers: Readonly<Record<string, string>>): string {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return JSON.stringify(Object.fromEntries(entries));
}

/**
 * The hashes that identify a request by its idempotency key. The stored one is keyed, since a plain
 * hash would let a reader of the database guess secrets that the request may have contained. It may
 * have been stored under an older key of the ring, or unkeyed by an older release.
 */
function requestHashes(
  plain: string | null,
  box: SecretBox,
): Pick<AcceptRequest, "requestHash" | "olderRequestHashes"> {
  if (plain === null) return { requestHash: null, olderRequestHashes: [] };
  const [requestHash, ...underOlderKeys] = box.digests("idempotent request", plain);
  return { requestHash, olderRequestHashes: [...underOlderKeys, plain] };
}

type Hashed = Readonly<Record<string, unknown>> & Pick<AcceptRequest, "params" | "metadata">;

/**
 * Equal for requests with the same meaning, however their JSON is written, and whatever the
 * provider's definition says by now.
 */
function hashRequest(hashed: Hashed): string {
  const params = Object.entries(hashed.params).sort(([a], [b]) => (a < b ? -1 : 1));
  const metadata = compactJson(hashed.metadata);
  return hash("sha256", JSON.stringify({ ...hashed, params, metadata }), "hex");
}
