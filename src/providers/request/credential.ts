import type { ProviderAuth } from "../definition/auth.ts";
import { type AwsCredential, readAwsCredential } from "./sign-aws.ts";
import { encodeQueryValue } from "../language/template.ts";

// Characters of a header value, without white space at its ends, which would be lost on the way.
const HEADER_SAFE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_CHARACTER = /[\x00-\x1f\x7f]/;

/** Why a credential can't be sent in this way, or null; never quotes it. */
export function problemWithCredential(auth: ProviderAuth, credential: string): string | null {
  if (auth.kind === "none") return null;
  if (credential === "") return "The credential is empty.";
  if (CONTROL_CHARACTER.test(credential)) {
    return "The credential contains a line break or another control character.";
  }
  switch (auth.kind) {
    // These encode the credential, so any other character is allowed.
    case "basic":
    case "query":
      return null;
    case "header":
    case "bearer":
      if (HEADER_SAFE.test(credential)) return null;
      return "The credential must be printable ASCII without white space at its ends.";
    case "aws_sigv4":
      if (readAwsCredential(credential) !== null) return null;
      return "The credential must be access_key_id:secret_access_key or access_key_id:secret_access_key:session_token.";
  }
}

/** The headers that carry the credential, the same for every request. */
export function credentialHeaders(
  auth: ProviderAuth,
  credential: string,
): Readonly<Record<string, string>> {
  switch (auth.kind) {
    case "header":
      return { [auth.name]: auth.prefix + credential };
    case "bearer":
      return { authorization: `Bearer ${credential}` };
    case "basic":
      return { authorization: `Basic ${encodeBasic(credential)}` };
    case "query":
    case "none":
    case "aws_sigv4":
      return {};
  }
}

/** `name=credential`, or the empty text. */
export function credentialQuery(auth: ProviderAuth, credential: string): string {
  return auth.kind === "query"
    ? `${encodeQueryValue(auth.name)}=${encodeQueryValue(credential)}`
    : "";
}

/** The texts that reveal the credential, if an upstream echoes them in any encoding. */
export function secretsOf(auth: ProviderAuth, credential: string): readonly string[] {
  return [credential, ...partsOf(auth, credential)];
}

function partsOf(auth: ProviderAuth, credential: string): readonly string[] {
  switch (auth.kind) {
    // Many credentials are `id:secret`, whatever header they use.
    case "basic":
    case "header":
    case "bearer":
    case "query":
      return credential.includes(":") ? [credential.slice(credential.indexOf(":") + 1)] : [];
    case "aws_sigv4":
      return awsSecrets(readAwsCredential(credential));
    case "none":
      return [];
  }
}

function awsSecrets(credential: AwsCredential | null): readonly string[] {
  if (credential === null) return [];
  return [credential.secretAccessKey, credential.sessionToken ?? ""];
}

function encodeBasic(credential: string): string {
  return Buffer.from(credential).toString("base64");
}
