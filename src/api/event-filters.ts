import { z } from "@hono/zod-openapi";
import { eventTypeSchema } from "./http/response-schemas.ts";
import {
  beforeParameter,
  idParameter,
  pagingParameters,
  timeParameter,
} from "./request/list-query.ts";

export const eventFiltersSchema = z.strictObject({
  job: idParameter("job"),
  type: eventTypeSchema.optional(),
  created_after: timeParameter,
  created_before: beforeParameter,
  ...pagingParameters,
});
