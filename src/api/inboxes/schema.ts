import { z } from "@hono/zod-openapi";
import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import { idSchema, isoTimeSchema, pageOf } from "../http/response-schemas.ts";
import { timeSchema } from "../request/list-query.ts";

/** The same for inboxes and for consumers. */
export const NAME_RULE =
  "1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit";

export const consumerParameter = z
  .string()
  .regex(INBOX_NAME, { error: `A consumer's name has ${NAME_RULE}.` })
  .optional()
  .openapi({
    description:
      "Reads on from where this consumer has acknowledged, for as one reader at a time. Without it, " +
      "reading begins at cursor, or at the first message that is kept.",
    example: "worker-1",
  });

const cursorText = z.string().min(1).max(200);

export const cursorParameter = cursorText.optional().openapi({
  description: "Reads behind this cursor, as an answer gave it, wherever the consumer is.",
});

const bytesSchema = z.number().openapi({ description: "About how many; an estimate." });

export const inboxSchema = z
  .object({
    object: z.literal("inbox"),
    name: z.string().openapi({ example: "orders" }),
    unread_bytes: bytesSchema.openapi({
      description: "About the bytes of the messages that no consumer has acknowledged.",
    }),
    last_message_at: isoTimeSchema.nullable(),
    created_at: isoTimeSchema,
  })
  .openapi("Inbox");

export const inboxPageSchema = pageOf(inboxSchema, "InboxPage");

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

export const consumerPageSchema = pageOf(consumerSchema, "InboxConsumerPage");

export const positionSchema = z
  .object({ object: z.literal("inbox_position"), cursor: z.string() })
  .openapi("InboxPosition", { description: "Where the consumer is now." });

const messageSchema = z
  .object({
    webhook_id: idSchema("msg").openapi({ description: "The same when it is put in once more." }),
    headers: z.record(z.string(), z.string()).openapi({
      description: "Those of the callback it would be, signed as of now: it may be passed on.",
    }),
    body: z.string().openapi({ description: "The exact text that is signed." }),
    cursor: z.string().openapi({ description: "To acknowledge this message and those before it." }),
  })
  .openapi("InboxMessage");

export const messagesSchema = z
  .object({
    data: z.array(messageSchema),
    cursor: z.string().openapi({ description: "Behind the last message; acknowledge it." }),
    done: z.boolean().openapi({ description: "Nothing lies behind the cursor now." }),
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
      description: "Reads what was put into the inbox later than this.",
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
