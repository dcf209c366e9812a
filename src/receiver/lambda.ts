import type { Receiver } from "./create-receiver.ts";
import { bytesOfBase64 } from "./verifier.ts";

/**
 * An HTTP event of AWS Lambda: of an API Gateway with payload 1.0 or 2.0, a function URL, or a load
 * balancer.
 */
export interface LambdaEvent {
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly body?: string | null | undefined;
  readonly isBase64Encoded?: boolean | undefined;
  /** In payload 1.0, and from load balancers. */
  readonly httpMethod?: string;
  /** In payload 2.0, and from function URLs. */
  readonly requestContext?: { readonly http?: { readonly method?: string } };
}

export interface LambdaResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isBase64Encoded: false;
}

/** A receiver as an AWS Lambda function. */
export function lambdaHandler(receive: Receiver): (event: LambdaEvent) => Promise<LambdaResult> {
  return async (event) => {
    const answer = await receive(requestOf(event));
    return {
      statusCode: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: await answer.text(),
      isBase64Encoded: false,
    };
  };
}

function requestOf(event: LambdaEvent): Request {
  const method = event.requestContext?.http?.method ?? event.httpMethod ?? "GET";
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request("http://receiver.invalid/", {
    method,
    headers: headersOf(event),
    ...(hasBody && { body: bodyOf(event) }),
  });
}

/** Names come in any case; a load balancer may send only the lists. */
function headersOf({ headers, multiValueHeaders }: LambdaEvent): [string, string][] {
  const lists = Object.entries(multiValueHeaders ?? {});
  return headers
    ? Object.entries(headers).map(([name, value = ""]) => [name, value])
    : lists.map(([name, values = []]) => [name, values.join(", ")]);
}

/** Text that says it is base64 and is not has no bytes, so that its signature does not match. */
function bodyOf({ body, isBase64Encoded }: LambdaEvent): Uint8Array<ArrayBuffer> | string {
  const text = body ?? "";
  return isBase64Encoded === true ? (bytesOfBase64(text) ?? "") : text;
}
