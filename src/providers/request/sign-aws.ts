import aws4 from "aws4";
import type { ProviderAuth } from "../definition/auth.ts";
import type { UpstreamRequest } from "./upstream-request.ts";

export interface AwsCredential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export type Signer = (request: UpstreamRequest, nowMs: number) => UpstreamRequest;

// Neither key holds a colon; a session token is base64.
const CREDENTIAL = /^(\w{16,128}):([\w/+=]{16,128})(?::([\w/+=.-]{1,8192}))?$/;
// us-east-1, ap-southeast-2, us-gov-west-1, cn-north-1
const REGION = /^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/;

/** Reads `access_key_id:secret_access_key[:session_token]`; null for any other form. */
export function readAwsCredential(text: string): AwsCredential | null {
  const [, accessKeyId, secretAccessKey, sessionToken] = CREDENTIAL.exec(text) ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined) return null;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

/**
 * Signs requests with AWS Signature Version 4. The region comes from the host name, so that a
 * connection, with its limits, belongs to one region, as the limits of AWS do.
 */
export function awsSigner(
  auth: Extract<ProviderAuth, { kind: "aws_sigv4" }>,
  credential: AwsCredential,
): Signer {
  return (request, nowMs) => {
    const url = new URL(request.origin);
    const signed = aws4.sign(
      {
        service: auth.service,
        region: regionOf(url.hostname) ?? auth.region,
        method: request.method,
        path: request.path,
        headers: { ...request.headers, host: url.host, "x-amz-date": amzDate(nowMs) },
        ...(request.body !== null && { body: request.body }),
      },
      credential,
    );
    return {
      ...request,
      path: signed.path ?? request.path,
      headers: textsOf(signed.headers ?? {}),
    };
  };
}

function regionOf(hostname: string): string | null {
  return hostname.split(".").find((label) => REGION.test(label)) ?? null;
}

/** `20260101T000000Z` */
function amzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, "");
}

function textsOf(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}
