import { z } from "@hono/zod-openapi";
import type { LinkVerdict } from "../../runtime/secrets/result-links.ts";
import { refused } from "./problem.ts";
import type { Refusal } from "./problem.ts";

/** The query of a URL with a link token. */
export const linkQuery = z.strictObject({
  token: z.string().max(100).optional().openapi({
    description: "Replaces the API key: valid for this URL until it expires.",
  }),
});

/** An API key takes precedence: its holder may follow any link, however old. */
export function comesByLink(request: Request): boolean {
  return request.url.includes("token=") && !request.headers.has("authorization");
}

export function linkRefusal(verdict: Exclude<LinkVerdict, "valid">): Refusal {
  return verdict === "expired"
    ? refused(
        "link_expired",
        "This link has expired. Every attempt of a delivery brings a new one; or use an API key.",
      )
    : refused(
        "link_invalid",
        "The token does not belong to this URL; use the link unchanged, or an API key.",
      );
}
