/** A request under `/via/`, split. */
export interface ViaAddress {
  /** A provider, whose connection `default` is meant, or the id of a connection. */
  readonly target: string;
  /** The rest of the path as it was sent; starts with `/`, or is empty. */
  readonly path: string;
  /** Without the leading `?`; null where there is no `?`. */
  readonly query: string | null;
}

type AddressReading =
  | { readonly ok: true; readonly address: ViaAddress }
  | { readonly ok: false; readonly problem: string };

export const VIA_PREFIX = "/via/";

// Everything else has to be percent-encoded in a request line; parsers differ over what it means.
const PLAIN = /^[\x21\x22\x24-\x5b\x5d-\x7e]*$/;
/** How often a part may have been encoded before its dots and slashes show. */
const ENCODINGS_MAX = 4;

/**
 * Splits an address under `/via/`. A path that could lead out of the base URL is refused, in whatever
 * spelling: servers and proxies behind it may decode it once more, or fold backslashes.
 * @param target of the request line
 */
export function readViaAddress(target: string): AddressReading {
  if (!target.startsWith(VIA_PREFIX)) return refused("The path must start with /via/.");
  if (!PLAIN.test(target)) {
    return refused("Percent-encode backslashes, #, blanks and characters outside of ASCII.");
  }
  const rest = target.slice(VIA_PREFIX.length);
  const queryAt = rest.indexOf("?");
  const whole = queryAt === -1 ? rest : rest.slice(0, queryAt);
  const query = queryAt === -1 ? null : rest.slice(queryAt + 1);
  const slashAt = whole.indexOf("/");
  const name = slashAt === -1 ? whole : whole.slice(0, slashAt);
  const path = slashAt === -1 ? "" : whole.slice(slashAt);
  if (!/^[\w.-]{1,100}$/.test(name)) {
    return refused("Name a provider or the id of a connection after /via/.");
  }
  // At the start of a path, `//host` means another host to some.
  if (path.startsWith("//")) return refused("The path after the provider must not start with //.");
  if (path.includes("%") || path.includes("/.") || path.includes(";")) {
    const problem = problemWithPath(path);
    if (problem !== null) return refused(problem);
  }
  return { ok: true, address: { target: name, path, query } };
}

function problemWithPath(path: string): string | null {
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return "The path is not percent-encoded correctly.";
  // These bytes occur in no UTF-8; lenient decoders make dots and slashes of what follows them.
  if (/%c[01]/i.test(path)) return "The path must be UTF-8, percent-encoded.";
  let text = path;
  for (let round = 0; round <= ENCODINGS_MAX; round += 1) {
    if (hasDotSegment(text) || hasDotSegment(folded(text))) {
      return "The path must not contain . or .. as a segment.";
    }
    if (/\p{Cc}/u.test(text)) return "The path must not contain control characters.";
    const next = text.replaceAll(/%([0-7][0-9a-fA-F])/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (next === text) return null;
    text = next;
  }
  return "The path is percent-encoded too many times.";
}

/** Slashes either way round, and what some servers take for a segment's parameters (`..;a=b`). */
function hasDotSegment(path: string): boolean {
  return path.split(/[/\\]/).some((segment) => /^\.{1,2}(?:;.*)?$/.test(segment));
}

/** With characters that look like dots and slashes made such, as some file systems do. */
function folded(path: string): string {
  if (!/%[89a-f]/i.test(path)) return path;
  const bytes = path.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8").normalize("NFKC");
}

function refused(problem: string): AddressReading {
  return { ok: false, problem };
}
