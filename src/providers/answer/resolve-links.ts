import { resolveLink } from "../language/allowed-url.ts";
import type { Interpretation } from "./interpret.ts";
import type { UpstreamRequest } from "../request/upstream-request.ts";

/** Resolves the links in a status response against the URL of its request. */
export function resolveLinks(
  interpretation: Interpretation,
  { origin, path }: UpstreamRequest,
): Interpretation {
  switch (interpretation.kind) {
    case "running": {
      const { nextUrl } = interpretation;
      if (nextUrl === undefined) return interpretation;
      return { ...interpretation, nextUrl: resolveLink(nextUrl, origin + path) };
    }
    case "result_wanted": {
      const { place } = interpretation;
      if (place.url === null) return interpretation;
      return {
        ...interpretation,
        place: { ...place, url: resolveLink(place.url, origin + path) },
      };
    }
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
    case "absent":
    case "retry":
    case "credential_rejected":
      return interpretation;
  }
}
