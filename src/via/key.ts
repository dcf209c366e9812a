import type { IncomingHttpHeaders } from "node:http";
import type { ProviderAuth } from "../providers/definition/auth.ts";

/** Where a request carries its Ringback key. */
export interface PresentedKey {
  readonly key: string;
  /** `beside`: in a header of its own, beside a credential that is the client's. */
  readonly kind: "beside" | "header" | "query" | "signature";
  /** Name of the header, in lower case, or of the query parameter. */
  readonly name: string;
}

const KEY_HEADER = "ringback-key";
/** As the API takes it; see runtime/secrets/api-key.ts. */
const KEY = /^rb_[\x21-\x7e]{1,1021}$/;
const SIGNATURE = /^AWS4-HMAC-SHA256 .*?\bCredential=([^/,\s]+)\//;

/**
 * Finds the Ringback key of a request before it is known whose it is, and so which definition says
 * where to look: in `ringback-key`, then in the other headers, then in the query.
 */
export function findKey(headers: IncomingHttpHeaders, query: string | null): PresentedKey | null {
  const beside = headers[KEY_HEADER];
  if (beside !== undefined) {
    return { key: String(beside).trim(), kind: "beside", name: KEY_HEADER };
  }
  const { authorization } = headers;
  if (authorization !== undefined) {
    const signed = SIGNATURE.exec(authorization)?.[1];
    if (signed !== undefined && KEY.test(signed)) {
      return { key: signed, kind: "signature", name: "authorization" };
    }
    const key = keyIn(authorization);
    if (key !== null) return { key, kind: "header", name: "authorization" };
  }
  for (const name in headers) {
    const value = headers[name];
    if (typeof value !== "string" || !value.includes("rb_") || name.startsWith("ringback-")) {
      continue;
    }
    const key = keyIn(value);
    if (key !== null) return { key, kind: "header", name };
  }
  return query === null || !query.includes("rb_") ? null : keyInQuery(query);
}

/** Whether the definition has its credential there. `Authorization` is good for any. */
export function isPlaceOf(auth: ProviderAuth, { kind, name }: PresentedKey): boolean {
  if (kind === "beside" || (kind === "header" && name === "authorization")) return true;
  switch (auth.kind) {
    case "header":
      return kind === "header" && name === auth.name;
    case "query":
      return kind === "query" && name === auth.name;
    case "aws_sigv4":
      return kind === "signature";
    case "bearer":
    case "basic":
    case "none":
      return false;
  }
}

/** Where the key of a provider's requests goes, for people. */
export function placeText(auth: ProviderAuth): string {
  switch (auth.kind) {
    case "header":
      return `in the header ${auth.name}`;
    case "query":
      return `in the query parameter ${auth.name}`;
    case "aws_sigv4":
      return "as the access key id";
    case "basic":
      return "as the user name or the password (Authorization: Basic)";
    case "bearer":
    case "none":
      return "in the header Authorization: Bearer";
  }
}

const OF_SIGNATURES: ReadonlySet<string> = new Set([
  "authorization",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-content-sha256",
]);

/** Whether a header carries a provider's credential. @param name in lower case */
export function isOfCredential(auth: ProviderAuth, name: string): boolean {
  switch (auth.kind) {
    case "header":
      return name === auth.name;
    case "bearer":
    case "basic":
      return name === "authorization";
    case "aws_sigv4":
      return OF_SIGNATURES.has(name);
    case "query":
    case "none":
      return false;
  }
}

/** A query without the parameters of these names, the others as they were; null when none is left. */
export function withoutParameters(query: string, names: ReadonlySet<string>): string | null {
  const kept = query.split("&").filter((pair) => !names.has(parameterName(pair)));
  return kept.length === 0 ? null : kept.join("&");
}

/** The decoded value of the first parameter of this name, or null. */
export function parameter(query: string, name: string): string | null {
  const pair = query.split("&").find((one) => parameterName(one) === name);
  if (pair === undefined) return null;
  const at = pair.indexOf("=");
  return at === -1 ? "" : decoded(pair.slice(at + 1));
}

function keyInQuery(query: string): PresentedKey | null {
  for (const pair of query.split("&")) {
    const key = decoded(pair.slice(pair.indexOf("=") + 1));
    if (KEY.test(key)) return { key, kind: "query", name: parameterName(pair) };
  }
  return null;
}

function parameterName(pair: string): string {
  const at = pair.indexOf("=");
  return decoded(at === -1 ? pair : pair.slice(0, at));
}

/** By itself, behind a scheme, or as one half of a user and password. */
function keyIn(value: string): string | null {
  const text = value.trim();
  if (KEY.test(text)) return text;
  const at = text.lastIndexOf(" ");
  if (at === -1) return null;
  const last = text.slice(at + 1);
  if (KEY.test(last)) return last;
  if (!/^basic /i.test(text)) return null;
  const parts = Buffer.from(last, "base64").toString("utf8").split(":");
  return parts.find((part) => KEY.test(part)) ?? null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
