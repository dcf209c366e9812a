/** Every way an outgoing HTTP request can fail before a whole answer arrived. A closed list. */
export const REQUEST_FAILURE_CODES = [
  "url_refused",
  "address_refused",
  "dns_not_found",
  "dns_failed",
  "connection_limit",
  "connect_refused",
  "connect_timeout",
  "connect_failed",
  "tls_certificate_expired",
  "tls_certificate_not_yet_valid",
  "tls_certificate_self_signed",
  "tls_certificate_untrusted",
  "tls_certificate_name_mismatch",
  "tls_failed",
  "response_timeout",
  "response_too_slow",
  "connection_reset",
  "headers_too_large",
  "body_too_large",
  "invalid_response",
  "aborted",
] as const;

export type RequestFailureCode = (typeof REQUEST_FAILURE_CODES)[number];

/**
 * Whether nothing was sent, for reasons that are this side's: no name server answered, or the project
 * has too many connections open. It says nothing about the other end.
 */
export function isUnsent(code: RequestFailureCode): boolean {
  return code === "dns_failed" || code === "connection_limit";
}

/** A failed request: the code for machines, the message for the person who reads the attempt. */
export interface RequestFailure {
  readonly code: RequestFailureCode;
  readonly message: string;
}

/**
 * How far a request came, as far as that depends on nothing but the other end: it was answered; TCP
 * or TLS failed, as it would for any request; or neither is known.
 */
export type Reach = "answered" | "unreachable" | "unknown";

export function reachOfFailure(code: RequestFailureCode): Reach {
  switch (code) {
    case "dns_not_found":
    case "connect_refused":
    case "connect_timeout":
    case "connect_failed":
    case "tls_certificate_expired":
    case "tls_certificate_not_yet_valid":
    case "tls_certificate_self_signed":
    case "tls_certificate_untrusted":
    case "tls_certificate_name_mismatch":
    case "tls_failed":
      return "unreachable";
    case "response_too_slow":
    case "headers_too_large":
    case "body_too_large":
    case "invalid_response":
      return "answered";
    // A name server, this process or the request itself may be why.
    case "url_refused":
    case "address_refused":
    case "dns_failed":
    case "connection_limit":
    case "response_timeout":
    case "connection_reset":
    case "aborted":
      return "unknown";
  }
}
