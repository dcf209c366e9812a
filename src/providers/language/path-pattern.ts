/*
 * Patterns of paths, such as `/v1/models/{owner}/{name}/predictions`. `{name}` matches one segment
 * or a part of one, `{+name}` one or more segments. Both sides of a comparison are percent-encoded.
 */

const PLACEHOLDER = /\{(\+?)([A-Za-z_]\w*)\}/g;
const LITERAL = /^[^{}?#\s]*$/;
const PLACEHOLDERS_MAX = 8;

/** Why a pattern can't be used, or null. */
export function pathPatternProblem(pattern: string): string | null {
  if (!pattern.startsWith("/")) return "Must start with /.";
  const names = [...pattern.matchAll(PLACEHOLDER)].map(([, , name]) => name);
  if (new Set(names).size < names.length) return "Each name may occur once.";
  if (names.length > PLACEHOLDERS_MAX) return `Must have at most ${PLACEHOLDERS_MAX} placeholders.`;
  if (!LITERAL.test(pattern.replaceAll(PLACEHOLDER, ""))) {
    return "Must be a path with placeholders such as {name} or {+name}, without a query.";
  }
  // More than one could divide their text in very many ways, each of which would be tried.
  if (pattern.split("{+").length > 2) return "Must have at most one {+name}.";
  const crowded = pattern.split("/").some((segment) => segment.split("{").length > 2);
  return crowded ? "A segment may have at most one placeholder." : null;
}

/** Returns the parts that placeholders matched, decoded; null for another path. */
export type PathMatcher = (path: string) => Readonly<Record<string, string>> | null;

/** @param pattern one without a {@link pathPatternProblem} */
export function compilePathPattern(pattern: string): PathMatcher {
  const names = [...pattern.matchAll(PLACEHOLDER)].map(([, , name = ""]) => name);
  let source = "";
  let at = 0;
  for (const match of pattern.matchAll(PLACEHOLDER)) {
    source += escapeRegExp(pattern.slice(at, match.index));
    source += match[1] === "+" ? "(.+?)" : "([^/]+?)";
    at = match.index + match[0].length;
  }
  // A trailing slash makes no difference to most servers.
  const end = escapeRegExp(pattern.slice(at).replace(/\/$/, ""));
  const expression = new RegExp(`^${source}${end}/?$`);
  return (path) => {
    const found = expression.exec(path);
    if (found === null) return null;
    const values = found.slice(1).map(decoded);
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
