/** Every way an outgoing HTTP request can fail before a whole answer arrived. A closed list. */
export const REQUEST_FAILURE_CODES = [
  "url_refused",
  "address_refused",
  "dns_not_found",
  "dns_failed",
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
  "connection_reset",
  "headers_too_large",
  "body_too_large",
  "invalid_response",
  "aborted",
] as const;

export type RequestFailureCode = (typeof REQUEST_FAILURE_CODES)[number];

/** A failed request: the code for machines, the message for the person who reads the attempt. */
export interface RequestFailure {
  readonly code: RequestFailureCode;
  readonly message: string;
}
