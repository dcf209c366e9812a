import { errors } from "undici";
import type { RequestFailure, RequestFailureCode } from "../../core/request-failure.ts";
import { AddressRefusedError } from "../guard/destination.ts";
import { NameLookupError } from "../names/name-resolver.ts";

/** Progress of an exchange: without a connection yet, or with one. */
type ExchangeStage = "connecting" | "exchanging";

/**
 * Maps errors of Node or undici to the closed list; never throws, whatever it is given.
 * @param mayWantCertificate whether a secure connection ended before the first byte of a response
 */
export function failureFromError(
  error: unknown,
  stage: ExchangeStage,
  mayWantCertificate = false,
): RequestFailure {
  if (error instanceof AddressRefusedError) {
    return { code: "address_refused", message: error.message };
  }
  if (error instanceof NameLookupError) {
    const code = error.kind === "not_found" ? "dns_not_found" : "dns_failed";
    return { code, message: error.message };
  }
  const raw = rawCodeOf(error);
  const code = codeOf(raw, error, stage);
  const message = messageOf(code, raw);
  const hint = mayWantCertificate && code === "connection_reset" ? CLOSED_AT_ONCE : "";
  return { code, message: `${message} (${detailOf(error, raw)})${hint}` };
}

const CODES: ReadonlyMap<string, RequestFailureCode> = new Map<string, RequestFailureCode>([
  ["UND_ERR_INVALID_ARG", "url_refused"],
  ["UND_ERR_NOT_SUPPORTED", "url_refused"],
  ["ERR_INVALID_URL", "url_refused"],
  ["EMFILE", "connection_limit"],
  ["ENFILE", "connection_limit"],
  ["ENOBUFS", "connection_limit"],
  ["EADDRNOTAVAIL", "connection_limit"],
  ["ECONNREFUSED", "connect_refused"],
  ["UND_ERR_CONNECT_TIMEOUT", "connect_timeout"],
  ["CERT_HAS_EXPIRED", "tls_certificate_expired"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls_certificate_self_signed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "tls_certificate_untrusted"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_certificate_name_mismatch"],
  ["EPROTO", "tls_failed"],
  ["CERT_NOT_YET_VALID", "tls_certificate_not_yet_valid"],
  ["CERT_REVOKED", "tls_failed"],
  ["CERT_SIGNATURE_FAILURE", "tls_failed"],
  ["CERT_UNTRUSTED", "tls_certificate_untrusted"],
  ["CERT_REJECTED", "tls_failed"],
  ["INVALID_CA", "tls_certificate_untrusted"],
  ["INVALID_PURPOSE", "tls_failed"],
  ["UNABLE_TO_GET_ISSUER_CERT", "tls_certificate_untrusted"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "tls_certificate_untrusted"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_certificate_untrusted"],
  ["UND_ERR_HEADERS_OVERFLOW", "headers_too_large"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "invalid_response"],
  ["UND_ERR_HEADERS_TIMEOUT", "response_timeout"],
  ["UND_ERR_BODY_TIMEOUT", "response_timeout"],
  ["UND_ERR_ABORTED", "aborted"],
  ["UND_ERR_DESTROYED", "aborted"],
  ["UND_ERR_CLOSED", "aborted"],
]);

const MESSAGES: Readonly<Record<RequestFailureCode, string>> = {
  url_refused: "The URL or a header of the request is not valid",
  address_refused: "The address is not allowed",
  dns_not_found: "The host name does not exist",
  dns_failed: "The host name could not be resolved",
  connection_limit: "No connection can be opened just now",
  connect_refused: "The host refused the connection",
  connect_timeout: "No connection within the time limit",
  connect_failed: "The connection could not be made",
  tls_certificate_expired: "The host's certificate has expired",
  tls_certificate_not_yet_valid: "The host's certificate is not valid yet",
  tls_certificate_self_signed: "The host's certificate is self-signed",
  tls_certificate_untrusted: "The host's certificate is from an authority that is not trusted",
  tls_certificate_name_mismatch: "The host's certificate is for another name",
  tls_failed: "No secure connection could be made",
  response_timeout: "No complete answer within the time limit",
  response_too_slow: "The answer comes too slowly",
  connection_reset: "The connection ended before a complete answer",
  headers_too_large: "The headers of the answer are too large",
  body_too_large: "The body of the answer is too large",
  invalid_response: "The answer is not valid HTTP",
  aborted: "The request was stopped",
};

// TLS 1.3 reports it only after the handshake, and the alert may be lost in the reset that follows.
const CLOSED_AT_ONCE =
  "; a server that demands a client certificate, which Ringback does not send, closes so";

/** Failures whose code in the closed list says less than the known cause. */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [
    /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
    "The host's certificate can't be verified: most likely the server leaves out the intermediate " +
      "certificate, which browsers fetch by themselves; let it send its full chain. Otherwise it is " +
      "from an authority that is not trusted",
  ],
  [
    /CERTIFICATE_REQUIRED|ALERT_BAD_CERTIFICATE/,
    "The host demands a client certificate, which Ringback does not send; let it accept requests " +
      "without one",
  ],
  [
    /HANDSHAKE_FAILURE/,
    "The host refused the TLS handshake: it may demand a client certificate, which Ringback does " +
      "not send, or share no cipher with it",
  ],
];

function messageOf(code: RequestFailureCode, raw: string | null): string {
  const cause = raw === null ? undefined : CAUSES.find(([pattern]) => pattern.test(raw));
  return cause?.[1] ?? MESSAGES[code];
}

function codeOf(raw: string | null, error: unknown, stage: ExchangeStage): RequestFailureCode {
  if (error instanceof errors.HTTPParserError) return "invalid_response";
  if (raw === null) return stage === "connecting" ? "connect_failed" : "connection_reset";
  const known = CODES.get(raw);
  if (known !== undefined) return known;
  if (raw.startsWith("ERR_SSL_") || raw.startsWith("ERR_TLS_")) return "tls_failed";
  if (stage === "exchanging" || raw === "ECONNRESET" || raw === "EPIPE") return "connection_reset";
  if (raw === "ETIMEDOUT") return "connect_timeout";
  return "connect_failed";
}

/** undici's own text about a broken response, or else the code, which can be looked up. */
function detailOf(error: unknown, raw: string | null): string {
  const { HTTPParserError, SocketError } = errors;
  const explains = error instanceof HTTPParserError || error instanceof SocketError;
  return explains ? error.message : (raw ?? "no code");
}

/** The error's own code, or that of the first address that was tried. */
function rawCodeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ("code" in error && typeof error.code === "string") return error.code;
  return error instanceof AggregateError ? rawCodeOf(error.errors[0]) : null;
}

/** True when the peer answered with something that is not HTTP. */
export function isInvalidAnswer(error: unknown): boolean {
  return failureFromError(error, "exchanging").code === "invalid_response";
}

/** True when the frames of a chunked body are not as they should be, other than cut off. */
export function isOddlyChunked(error: unknown): boolean {
  // The parser gives no code.
  return error instanceof errors.HTTPParserError && /\bchunk\b/.test(error.message);
}

/** True when the peer closed or reset an established connection. */
export function isConnectionReset(error: unknown): boolean {
  return failureFromError(error, "exchanging").code === "connection_reset";
}
