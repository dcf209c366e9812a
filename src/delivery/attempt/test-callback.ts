import { publicId } from "../../core/ids/ids.ts";
import {
  createEchoRedactor,
  type EchoRedactor,
  headerSecrets,
} from "../../core/redact/redact-echoes.ts";
import type { RequestFailure } from "../../core/request-failure.ts";
import { signatureMask, type SignatureScheme, signaturesOfMask } from "../../core/signing.ts";
import { testEventBody } from "../../core/delivery/event.ts";
import { traceHeaders } from "../../core/trace-context.ts";
import type { DelivererOptions } from "./deliverer.ts";
import type { RequestOutcome, ResponseHeaders } from "../../outbound/exchange/request-outcome.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { keysWithOwnSecret, type NoKeys, readKeys } from "./signing-keys.ts";
import { signedPost } from "./post.ts";
import type { SigningKey } from "./sign.ts";

const RESPONSE_BYTES_MAX = 16 * 1024;

type TestCallbackOptions = Pick<
  DelivererOptions,
  "userAgent" | "callbackTimeoutMs" | "settings" | "signingKeys" | "callbackClient"
>;

export interface TestCallback {
  readonly projectId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `whsec_…`, or null to sign with the project's. */
  readonly secret: string | null;
  /** Null to sign as the project does. */
  readonly signatures: readonly SignatureScheme[] | null;
}

/** A whole exchange, for a person to look at. */
export interface TestedCallback {
  readonly request: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  readonly response: {
    readonly status: number;
    readonly headers: ResponseHeaders;
    /** At most the first 16 KiB. */
    readonly body: string;
    readonly isTruncated: boolean;
  } | null;
  readonly failure: RequestFailure | NoKeys | null;
  readonly durationMs: number;
}

/** Sends one signed `ringback.test` event as callbacks are sent, and keeps none of it. */
export async function sendTestCallback(
  runtime: Runtime,
  options: TestCallbackOptions,
  test: TestCallback,
): Promise<TestedCallback> {
  const nowMs = runtime.clock.now();
  const keys = await readKeys(() => keysOf(options, test));
  const body = testEventBody(nowMs);
  if ("code" in keys)
    return { request: { headers: {}, body }, response: null, failure: keys, durationMs: 0 };
  const id = runtime.uuids(nowMs, 0);
  const request = signedPost({
    projectId: test.projectId,
    url: test.url,
    headers: { ...test.headers, ...traceHeaders(null, { subscriptionId: id, deliveryId: id }, 1) },
    body,
    webhookId: publicId("delivery", id),
    keys,
    nowMs,
    userAgent: options.userAgent,
    timeoutMs: options.callbackTimeoutMs,
    responseBytesMax: RESPONSE_BYTES_MAX,
  });
  const outcome = await options.callbackClient.send(request);
  const redact = createEchoRedactor(headerSecrets(test.headers));
  return {
    request: { headers: request.headers, body },
    response: outcome.kind === "answered" ? responseOf(outcome, redact) : null,
    failure: outcome.kind === "failed" ? outcome.failure : null,
    durationMs: outcome.durationMs,
  };
}

function keysOf(
  options: TestCallbackOptions,
  { projectId, secret, signatures }: TestCallback,
): Promise<readonly SigningKey[]> {
  const schemes =
    signatures === null
      ? options.settings.of(projectId).signatures
      : signaturesOfMask(signatureMask(signatures));
  const projectKeys = (of: readonly SignatureScheme[]) => options.signingKeys.of(projectId, of);
  return secret === null
    ? projectKeys(schemes)
    : keysWithOwnSecret(schemes, () => secret, projectKeys);
}

function responseOf(
  outcome: Extract<RequestOutcome, { kind: "answered" }>,
  redact: EchoRedactor,
): TestedCallback["response"] {
  const { status, headers, body, truncated } = outcome;
  const shown = Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === "string" ? redact(value) : value?.map(redact),
  ]);
  return {
    status,
    headers: Object.fromEntries(shown) as ResponseHeaders,
    body: redact(body.toString("utf8")),
    isTruncated: truncated,
  };
}
