import { z } from "@hono/zod-openapi";
import { ID_PREFIXES, type IdKind, parsePublicId } from "../../core/ids/ids.ts";

const LIMIT_MAX = 100;
const LIMIT_DEFAULT = 20;

/** The parameters of every list. */
export const pagingParameters = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, { error: `Must be a whole number from 1 to ${LIMIT_MAX}.` })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= LIMIT_MAX, {
      error: `Must be a whole number from 1 to ${LIMIT_MAX}.`,
    })
    .default(LIMIT_DEFAULT)
    .openapi({
      type: "integer",
      minimum: 1,
      maximum: LIMIT_MAX,
      default: LIMIT_DEFAULT,
      description: "Maximum number of items in a page. A filtered page may have fewer.",
    }),
  cursor: z.string().max(200).optional().openapi({
    description: "The next_cursor of the previous page. The last page has none.",
  }),
};

/** An ISO time with a zone, as epoch milliseconds. */
export const timeSchema = z.iso
  .datetime({
    offset: true,
    error: "Must be a time such as 2026-01-31T12:00:00Z; write + as %2B in a query.",
  })
  .max(64)
  .transform((text) => Date.parse(text))
  .refine((ms) => Number.isFinite(ms) && ms >= 0, { error: "Must be a time since 1970." });

export const timeParameter = timeSchema
  .optional()
  .openapi({ type: "string", format: "date-time", description: "Only those created later." });

export const beforeParameter = timeSchema.optional().openapi({
  type: "string",
  format: "date-time",
  description: "Only those created earlier.",
});

/** Scheme, host and port of a URL. */
export const originSchema = z
  .string()
  .max(2048)
  .refine((text) => URL.parse(text)?.origin === text, {
    error: "Must be an origin such as https://app.example.com, without a path.",
  });

export const flagParameter = z
  .enum(["true", "false"])
  .optional()
  .transform((text) => text === "true")
  .openapi({ type: "boolean", default: false });

/** A whole number of seconds. */
export const secondsParameter = (secondsMax: number, byDefault: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, { error: `Must be a whole number from 0 to ${secondsMax}.` })
    .transform(Number)
    .refine((seconds) => seconds <= secondsMax, {
      error: `Must be a whole number from 0 to ${secondsMax}.`,
    })
    .default(byDefault)
    .openapi({ type: "integer", minimum: 0, maximum: secondsMax, default: byDefault });

/** A public id, as the UUID behind it. */
export const idParameter = (kind: IdKind) =>
  z
    .string()
    .max(100)
    .transform((text, context) => {
      const id = parsePublicId(kind, text);
      if (id !== null) return id;
      const message = `Must be the id of a ${kind}: ${ID_PREFIXES[kind]}_ and 32 hex digits.`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    })
    .optional()
    .openapi({
      type: "string",
      pattern: `^${ID_PREFIXES[kind]}_[0-9a-f]{32}$`,
      description: `Only those of this ${kind}, by its id.`,
    });
