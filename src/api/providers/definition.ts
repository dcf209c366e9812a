import { isDeepStrictEqual } from "node:util";
import { parseDefinition } from "../../providers/definition/text.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import { readDefinition } from "../../providers/compile/read-definition.ts";
import { unexpectedHosts } from "../../providers/compile/hosts.ts";
import type { UrlCheck } from "../../outbound/guard/url-check.ts";
import { problemOfParts } from "../http/problem.ts";
import type { InvalidPart, Outcome, Refusal } from "../../core/problem.ts";

/** A usable definition, and the text to store. */
interface UsableDefinition {
  readonly provider: Provider;
  /** JSON as its author wrote it. */
  readonly written: object;
  readonly text: string;
  readonly isSame: (definition: string) => boolean;
}

/**
 * Reads a definition under the name from its path: it need not repeat the name, but may not give
 * another. Its hosts are judged like the addresses of connections.
 * @param text JSON, an object
 * @param at where the definition is in the request's body, as a JSON Pointer
 */
export function readNamedDefinition(
  name: string,
  text: string,
  judgeUrl: (url: string) => UrlCheck,
  at = "",
): Outcome<UsableDefinition> {
  const refusedParts = (parts: readonly (InvalidPart & { readonly pointer: string })[]) =>
    refusedAt(at, parts);
  const written = { name, ...(parseDefinition(text) as object) };
  if (written.name !== name) {
    const detail = `Must be ${JSON.stringify(name)}, as in the path, or left out.`;
    return refusedParts([{ pointer: "/name", detail }]);
  }
  const reading = readDefinition(written);
  if (!reading.ok) return refusedParts(reading.problems);
  const { provider } = reading;
  const strays = unexpectedHosts(provider, (url) => {
    const check = judgeUrl(url);
    return check.ok ? null : check.reason;
  });
  if (strays.length > 0) return refusedParts(strays);
  const isSame = (stored: string) => isDeepStrictEqual(parseDefinition(stored), written);
  return { ok: true, value: { provider, written, text: JSON.stringify(written), isSame } };
}

function refusedAt(
  at: string,
  parts: readonly (InvalidPart & { readonly pointer: string })[],
): Refusal {
  const placed = parts.map((part) => ({ ...part, pointer: at + part.pointer }));
  return { ok: false, problem: problemOfParts("validation_failed", placed) };
}
