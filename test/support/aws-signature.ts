import { createHash, createHmac } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  /** With an empty query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(\w+)\/(\d{8}\/[\w-]+\/[\w-]+\/aws4_request), ?SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})$/;

/** Whether a request that came was signed with this secret: Signature Version 4, computed again. */
export function isSignedWith(secret: string, request: SignedRequest): boolean {
  const { method, path, headers, body } = request;
  const [, , scope = "", signedNames = "", signature] =
    AUTHORIZATION.exec(headers["authorization"] ?? "") ?? [];
  const canonical = [
    method,
    path,
    "",
    ...signedNames.split(";").map((name) => `${name}:${(headers[name] ?? "").trim()}`),
    "",
    signedNames,
    sha256(body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  const key = scope
    .split("/")
    .reduce<string | Buffer>((above, part) => hmac(above, part), `AWS4${secret}`);
  return hmac(key, toSign).toString("hex") === signature;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
