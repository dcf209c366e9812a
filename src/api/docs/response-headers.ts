/** The headers of responses beyond those of HTTP itself, by the names of their references. */
export const RESPONSE_HEADERS = {
  RequestId: {
    description: "Identifies the request, as in the log.",
    required: true,
    schema: { type: "string" },
    example: "a1b2c3d4e5-1",
  },
  RateLimit: {
    description:
      "The rest of the named limit, and the seconds until all of it is available again " +
      "(draft-ietf-httpapi-ratelimit-headers-10).",
    schema: { type: "string" },
    example: '"requests";r=99;t=1',
  },
  RateLimitPolicy: {
    description: "The limit that was exceeded: how many requests within how many seconds.",
    schema: { type: "string" },
    example: '"requests";q=100;w=1',
  },
  RetryAfter: {
    description: "Seconds to wait before the next request. On every 429 and 503.",
    schema: { type: "integer", minimum: 0 },
    example: 10,
  },
  IdempotentReplayed: {
    description:
      "`true` when an earlier request with the same Idempotency-Key created the returned " +
      "object.",
    schema: { type: "string" },
    example: "true",
  },
  WwwAuthenticate: {
    description: "On a 401, and on a 403 for a missing scope: the accepted credential.",
    schema: { type: "string" },
    example: 'Bearer realm="ringback"',
  },
} as const;

const REFERENCES = {
  RequestId: "X-Request-Id",
  RateLimit: "RateLimit",
  RateLimitPolicy: "RateLimit-Policy",
  RetryAfter: "Retry-After",
  IdempotentReplayed: "Idempotent-Replayed",
  WwwAuthenticate: "WWW-Authenticate",
} as const satisfies Readonly<Record<keyof typeof RESPONSE_HEADERS, string>>;

/** The headers of a response, as references. */
export function headersOf(names: readonly (keyof typeof RESPONSE_HEADERS)[]) {
  return Object.fromEntries(
    names.map((name) => [REFERENCES[name], { $ref: `#/components/headers/${name}` }]),
  );
}
