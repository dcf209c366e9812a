import fc from "fast-check";
import { errors } from "undici";
import { describe, expect, test } from "vitest";
import { REQUEST_FAILURE_CODES } from "../../../src/core/request-failure.ts";
import { AddressRefusedError } from "../../../src/outbound/guard/destination.ts";
import { failureFromError } from "../../../src/outbound/exchange/failure-from-error.ts";

function errorOf(code: string, more: object = {}): Error {
  return Object.assign(new Error("secret detail 10.0.0.1"), { code, ...more });
}

describe("while connecting", () => {
  test.each([
    ["ECONNREFUSED", "connect_refused"],
    ["ETIMEDOUT", "connect_timeout"],
    ["EHOSTUNREACH", "connect_failed"],
    ["ENETUNREACH", "connect_failed"],
    ["EMFILE", "connection_limit"],
    ["ECONNRESET", "connection_reset"],
    ["CERT_HAS_EXPIRED", "tls_certificate_expired"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls_certificate_self_signed"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "tls_certificate_untrusted"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_certificate_name_mismatch"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_certificate_untrusted"],
    ["CERT_NOT_YET_VALID", "tls_certificate_not_yet_valid"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "tls_failed"],
    ["EPROTO", "tls_failed"],
  ])("while connecting, %s is %s, with the code but not the raw message", (raw, code) => {
    const failure = failureFromError(errorOf(raw), "connecting");
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(raw);
    expect(failure.message).not.toContain("10.0.0.1");
  });

  test("while connecting, several addresses that all failed count as the first", () => {
    const error = new AggregateError([errorOf("ECONNREFUSED"), errorOf("ENETUNREACH")]);
    expect(failureFromError(error, "connecting").code).toBe("connect_refused");
  });

  test("while connecting, a refused address says why", () => {
    const failure = failureFromError(new AddressRefusedError("not public"), "connecting");
    expect(failure).toEqual({ code: "address_refused", message: "not public" });
  });
});

describe("while exchanging", () => {
  test.each([
    [errorOf("ECONNRESET"), "connection_reset"],
    [errorOf("EPIPE"), "connection_reset"],
    [errorOf("ETIMEDOUT"), "connection_reset"],
    [new errors.SocketError("other side closed"), "connection_reset"],
    [new errors.HeadersOverflowError(), "headers_too_large"],
    [new errors.HTTPParserError("Expected HTTP/"), "invalid_response"],
    [new errors.ResponseContentLengthMismatchError(), "invalid_response"],
    [new errors.ClientDestroyedError(), "aborted"],
    [new errors.RequestAbortedError(), "aborted"],
    [new errors.InvalidArgumentError(), "url_refused"],
  ])("while exchanging, %s is %s", (error, code) => {
    expect(failureFromError(error, "exchanging").code).toBe(code);
  });
});

test("whatever is thrown becomes a code of the list with a message", () => {
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom("connecting", "exchanging"), (thrown, stage) => {
      const failure = failureFromError(thrown, stage);
      expect(REQUEST_FAILURE_CODES).toContain(failure.code);
      expect(failure.message).not.toBe("");
    }),
  );
});
