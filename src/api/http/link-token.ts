import { z } from "@hono/zod-openapi";
import type { LinkVerdict } from "../../runtime/secrets/result-links.ts";
import { refused } from "./problem.ts";
import type { Refusal } from "./problem.ts";

/** The query of an address that a link leads to. */
export const linkQuery = z.strictObject({
  token: z.string().max(100).optional().openapi({
    description: "Stands in for an API key: good for this one address, until it expires.",
  }),
});

/** An API key counts first: whoever has one may follow any link, however old. */
export function comesByLink(request: Request): boolean {
  return request.url.includes("token=") && !request.headers.has("authorization");
}

export function linkRefusal(verdict: Exclude<LinkVerdict, "valid">): Refusal {
  return verdict === "expired"
    ? refused(
        "link_expired",
        "This link is no longer good. Every attempt of a delivery brings a new one; or use an API key.",
      )
    : refused(
        "link_invalid",
        "The token was not made for this address; use the link as it came, or an API key.",
      );
}
