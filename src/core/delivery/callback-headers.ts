import { hasControlCharacter } from "../printable.ts";

const CALLBACK_HEADERS_MAX = 20;
const CALLBACK_HEADERS_BYTES_MAX = 4096;

/** One header that can't be sent; the detail says what to change. */
interface HeaderProblem {
  /** Null when it is about all of them. */
  readonly name: string | null;
  readonly detail: string;
}

// RFC 9110 5.6.2.
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const NAME_CHARACTERS_MAX = 100;
const ASCII = /^[\x20-\x7e]*$/;
/** Headers of the connection, the message or the signature, and headers that no receiver expects from us. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  "__proto__",
  "accept-encoding",
  "connection",
  "cookie",
  "date",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "set-cookie",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "trailers",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "via",
]);
const RESERVED_PREFIXES = ["content-", "proxy-", "sec-", "webhook-"];

/** Everything that keeps a client's own headers from being sent along with its callbacks. */
export function problemsWithCallbackHeaders(
  headers: Readonly<Record<string, unknown>>,
): HeaderProblem[] {
  const entries = Object.entries(headers);
  if (entries.length > CALLBACK_HEADERS_MAX) {
    return [{ name: null, detail: `Give at most ${CALLBACK_HEADERS_MAX} headers.` }];
  }
  const problems: HeaderProblem[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const [name, value] of entries) {
    const detail = seen.has(name.toLowerCase())
      ? "Give this header once; upper and lower case are the same."
      : (problemWithName(name) ?? problemWithValue(value));
    if (detail !== null) problems.push({ name, detail });
    seen.add(name.toLowerCase());
    bytes += name.length + (typeof value === "string" ? value.length : 0);
  }
  if (bytes > CALLBACK_HEADERS_BYTES_MAX) {
    const detail = `Names and values together must not exceed ${CALLBACK_HEADERS_BYTES_MAX} bytes.`;
    problems.push({ name: null, detail });
  }
  return problems;
}

function problemWithName(name: string): string | null {
  if (!TOKEN.test(name) || name.length > NAME_CHARACTERS_MAX) {
    return `A header name has 1 to ${NAME_CHARACTERS_MAX} letters, digits and - only.`;
  }
  const lower = name.toLowerCase();
  const isReserved =
    RESERVED_NAMES.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix));
  return isReserved ? "This header can't be set; remove it." : null;
}

function problemWithValue(value: unknown): string | null {
  if (typeof value !== "string") return "A header value must be a string.";
  if (hasControlCharacter(value)) return "Remove line breaks and control characters.";
  if (!ASCII.test(value)) return "A header value must be ASCII; encode other characters.";
  return value === value.trim() ? null : "Remove the spaces at the ends of the value.";
}
