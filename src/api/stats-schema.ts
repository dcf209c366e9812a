import { z } from "@hono/zod-openapi";
import { isoTimeSchema, orNull } from "./http/response-schemas.ts";

const countsSchema = z
  .object({
    total: z.int(),
    by_status: z
      .record(z.string(), z.int())
      .openapi({ description: "Every status has its count." }),
    estimated: z.boolean().openapi({
      description: "The counts were estimated from a sample, because there are very many.",
    }),
  })
  .openapi("StatusCounts");

export const statsSchema = z
  .object({
    object: z.literal("stats"),
    counted_at: orNull(isoTimeSchema).openapi({
      description: "When they were last counted; null in the first seconds of a project.",
    }),
    jobs: countsSchema,
    subscriptions: countsSchema,
    deliveries: countsSchema,
  })
  .openapi("Stats");
