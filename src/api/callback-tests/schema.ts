import { z } from "@hono/zod-openapi";
import { problemsWithCallbackHeaders } from "../../core/delivery/callback-headers.ts";
import { signaturesSchema } from "../http/delivery-settings-schema.ts";
import { headerValuesSchema, orNull } from "../http/response-schemas.ts";
import { recordOfStrings } from "../request/record-of-strings.ts";
import { secretSchema } from "../subscriptions/schema.ts";

export const callbackTestRequestSchema = z
  .strictObject({
    callback_url: z.string().min(1).max(2048).openapi({
      format: "uri",
      example: "https://app.example.com/hooks/ringback",
    }),
    secret: secretSchema.optional(),
    signatures: signaturesSchema.optional(),
    headers: recordOfStrings(problemsWithCallbackHeaders)
      .optional()
      .openapi({ type: "object", additionalProperties: { type: "string" } }),
  })
  .openapi("CallbackTestRequest");

export const callbackTestSchema = z
  .object({
    object: z.literal("callback_test"),
    delivered: z.boolean().openapi({ description: "Whether the receiver answered 2xx in time." }),
    request: z
      .object({
        method: z.literal("POST"),
        url: z.string().openapi({ example: "https://app.example.com/hooks/ringback" }),
        headers: z.record(z.string(), z.string()).openapi({
          example: { "webhook-id": "msg_019b76da98007034a5b6c7d8e9f00112" },
        }),
        body: z.string().openapi({
          description: "The exact text, which is what is signed.",
          example: '{"type":"ringback.test"}',
        }),
      })
      .openapi("SentCallback"),
    response: orNull(
      z
        .object({
          status: z.int().openapi({ example: 204 }),
          headers: headerValuesSchema,
          body_excerpt: z.string().openapi({ example: "" }),
          body_truncated: z.boolean(),
        })
        .openapi("ReceiverResponse"),
    ),
    error: z.object({ code: z.string(), message: z.string() }).nullable().openapi({
      description: "Why there is no response, with the same codes as attempts.",
      example: null,
    }),
    duration_ms: z.int().openapi({ example: 84 }),
  })
  .openapi("CallbackTest");
