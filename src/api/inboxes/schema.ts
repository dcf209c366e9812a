import { z } from "@hono/zod-openapi";
import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import { idSchema, isoTimeSchema, pageSchemaOf } from "../http/response-schemas.ts";
import { timeSchema } from "../request/list-query.ts";

/** Applies to inboxes and consumers. */
export const NAME_RULE =
  "1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit";

export const consumerParameter = z
  .string()
  .regex(INBOX_NAME, { error: `A consumer's name has ${NAME_RULE}.` })
  .optional()
  .openapi({
    description:
      "Continues after the messages that this consumer has acknowledged; one reader at a time. " +
      "Without it, reading begins at cursor, or at the first message that is kept.",
    example: "worker-1",
  });

const cursorText = z.string().min(1).max(200);

export const cursorParameter = cursorText.optional().openapi({
  description: "Reads behind this cursor from an earlier response, wherever the consumer is.",
});

const bytesSchema = z.number().openapi({ description: "An estimate." });

export const inboxSchema = z
  .object({
    object: z.literal("inbox"),
    name: z.string().openapi({ example: "orders" }),
    unread_bytes: bytesSchema.openapi({
      description: "Approximate bytes of the messages that no consumer has acknowledged.",
    }),
    last_message_at: isoTimeSchema.nullable(),
    created_at: isoTimeSchema,
  })
  .openapi("Inbox");

export const inboxPageSchema = pageSchemaOf(inboxSchema, "InboxPage");

export const consumerSchema = z
  .object({
    object: z.literal("inbox_consumer"),
    name: z.string().openapi({ example: "worker-1" }),
    cursor: z.string().openapi({ description: "Everything up to here is acknowledged." }),
    unread_bytes: bytesSchema,
    is_reading: z
      .boolean()
      .openapi({ description: "A request waits for it, or a stream is open." }),
    created_at: isoTimeSchema,
    active_at: isoTimeSchema,
    acked_at: isoTimeSchema.nullable(),
  })
  .openapi("InboxConsumer");

export const consumerPageSchema = pageSchemaOf(consumerSchema, "InboxConsumerPage");

export const positionSchema = z
  .object({ object: z.literal("inbox_position"), cursor: z.string() })
  .openapi("InboxPosition", { description: "Where the consumer is now." });

const messageSchema = z
  .object({
    webhook_id: idSchema("msg").openapi({
      description: "Stays the same when the message is redelivered.",
    }),
    headers: z.record(z.string(), z.string()).openapi({
      description:
        "The headers of the corresponding callback, signed now, so that the message can be " +
        "forwarded.",
    }),
    body: z.string().openapi({ description: "The exact text that is signed." }),
    cursor: z.string().openapi({ description: "Acknowledges this message and those before it." }),
  })
  .openapi("InboxMessage");

export const messagesSchema = z
  .object({
    data: z.array(messageSchema),
    cursor: z
      .string()
      .openapi({ description: "Position behind the last message; acknowledge it." }),
    done: z.boolean().openapi({ description: "There are no more messages behind the cursor." }),
  })
  .openapi("InboxMessages");

export const ackSchema = z
  .strictObject({ cursor: cursorText })
  .openapi("InboxAcknowledgment", { description: "A cursor as reading gave it." });

export const seekSchema = z
  .strictObject({
    cursor: cursorText.optional(),
    after: timeSchema.optional().openapi({
      type: "string",
      format: "date-time",
      description: "Continues with messages that were added after this time.",
    }),
  })
  .superRefine(({ cursor, after }, context) => {
    if ((cursor === undefined) === (after === undefined)) {
      context.addIssue({
        code: "custom",
        path: ["cursor"],
        message: "Give either cursor or after.",
      });
    }
  })
  .openapi("InboxSeek");
