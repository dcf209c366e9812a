import { z } from "@hono/zod-openapi";
import {
  attemptErrorCodeSchema,
  deliveryStatusSchema,
  eventTypeSchema,
} from "../http/response-schemas.ts";
import {
  beforeParameter,
  idParameter,
  originSchema,
  pagingParameters,
  timeParameter,
} from "../request/list-query.ts";
import { jobIdSchema } from "../subscriptions/schema.ts";

export const deliveryFiltersSchema = z.strictObject({
  status: deliveryStatusSchema.optional(),
  event_type: eventTypeSchema.optional(),
  error_code: attemptErrorCodeSchema.optional().openapi({
    description: "Only those whose latest attempt failed for this reason.",
  }),
  job_id: jobIdSchema.optional().openapi({ description: "The provider's id of the job." }),
  subscription: idParameter("subscription"),
  callback_origin: originSchema.optional(),
  created_after: timeParameter,
  created_before: beforeParameter,
  ...pagingParameters,
});
