import { publicId } from "../core/ids.ts";
import type { RequestFailure } from "../core/request-failure.ts";
import type {
  OutboundRequest,
  RequestOutcome,
  ResponseHeaders,
} from "../outbound/request-outcome.ts";
import type { Clock } from "../runtime/clock.ts";
import type { UuidSource } from "../runtime/uuid-source.ts";
import { type NoKeys, readKeys } from "./read-keys.ts";
import { signedPost } from "./signed-post.ts";
import { type SigningKey, signingKey } from "./sign-callback.ts";

const RESPONSE_BYTES_MAX = 16 * 1024;

export interface TestCallbackPorts {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  readonly userAgent: string;
  readonly callbackTimeoutMs: number;
  /** The keys that the project signs with now. */
  signingKeys(projectId: string): Promise<readonly SigningKey[]>;
  send(request: OutboundRequest): Promise<RequestOutcome>;
}

export interface TestCallback {
  readonly projectId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `whsec_…`, or null to sign as the project does. */
  readonly secret: string | null;
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
    readonly body: Buffer;
    readonly isTruncated: boolean;
  } | null;
  readonly failure: RequestFailure | NoKeys | null;
  readonly durationMs: number;
}

/** Sends one signed callback about nothing, in the way that all others are sent, and keeps none of it. */
export async function sendTestCallback(
  ports: TestCallbackPorts,
  test: TestCallback,
): Promise<TestedCallback> {
  const nowMs = ports.clock.now();
  const { secret } = test;
  const keys =
    secret === null
      ? await readKeys(() => ports.signingKeys(test.projectId))
      : [signingKey("v1", secret)];
  const body = JSON.stringify({
    type: "ringback.test",
    timestamp: new Date(nowMs).toISOString(),
    data: { message: "This is a test. Nothing has happened." },
  });
  if ("code" in keys)
    return { request: { headers: {}, body }, response: null, failure: keys, durationMs: 0 };
  const request = signedPost({
    url: test.url,
    headers: test.headers,
    body,
    webhookId: publicId("delivery", ports.uuids(nowMs, 0)),
    keys,
    nowMs,
    userAgent: ports.userAgent,
    timeoutMs: ports.callbackTimeoutMs,
    responseBytesMax: RESPONSE_BYTES_MAX,
  });
  const outcome = await ports.send(request);
  return {
    request: { headers: request.headers, body },
    response: outcome.kind === "answered" ? responseOf(outcome) : null,
    failure: outcome.kind === "failed" ? outcome.failure : null,
    durationMs: outcome.durationMs,
  };
}

function responseOf(outcome: Extract<RequestOutcome, { kind: "answered" }>) {
  const { status, headers, body, truncated } = outcome;
  return { status, headers, body, isTruncated: truncated };
}
