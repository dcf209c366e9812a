import { z } from "zod";
import { goneAfter, hostPatterns, pointers } from "./fields.ts";
import { resultRequestSchema } from "./request.ts";
import { conditionsSchema, rulesSchema } from "./rule.ts";

/* How a definition says where the result of a completed job is. */

const WHOLE_ANSWER = [""];

const downloadSchema = z
  .strictObject({
    url_at: pointers
      .min(1)
      .describe(
        "Places in the result that hold the link; the first wins. A result without one is no link.",
      ),
    credential: z
      .boolean()
      .default(false)
      .describe(
        "Whether the credential goes along, to the connection's own host, base_url's and " +
          "allowed_hosts.",
      ),
    hosts: hostPatterns
      .optional()
      .describe("Hosts that a link may lead to besides those; the credential never goes there."),
  })
  .optional()
  .describe(
    "How a result that is a link is fetched, once, for subscriptions that say fetch_result. " +
      "Without this it is only passed on.",
  );

const inlineSchema = z.strictObject({
  kind: z.literal("inline"),
  at: pointers
    .default(WHOLE_ANSWER)
    .describe("Where the result is in the status answer; the whole answer unless given."),
  download: downloadSchema,
});

const pointerSchema = z.strictObject({
  kind: z.literal("pointer"),
  at: pointers
    .min(1)
    .describe("Where the link to the result is in the status answer; passed on as it is."),
  download: downloadSchema,
});

const requestSchema = z
  .strictObject({
    kind: z.literal("request"),
    request: resultRequestSchema.describe(
      "What is asked once the status answer says completed. While it fails the job stays live.",
    ),
    only_if: conditionsSchema
      .default([])
      .describe(
        "Conditions on the JSON of the status answer, all of which must hold; if one does not, " +
          "nothing is asked and the result is at otherwise.",
      ),
    format: z
      .enum(["json", "text"])
      .default("json")
      .describe("text: the answer is any UTF-8, such as JSON Lines, and becomes one JSON string."),
    at: pointers
      .default(WHOLE_ANSWER)
      .describe("Where the result is in this answer; the whole answer unless given."),
    rules: rulesSchema
      .refine((rules) => rules.every((rule) => (rule.remember ?? rule.remembered) === undefined), {
        error:
          "Only the rules for status answers remember anything; remove remember and remembered.",
      })
      .default([])
      .describe(
        "What this answer means, tried in order. Where none matches: 2xx is the result, 404 and " +
          "410 mean that it is not there, which gone_after confirms; all else is tried again.",
      ),
    gone_after: goneAfter({ answers: 3, over_s: 600 }).describe(
      "When a result that is not there (404, 410, not_found), though the status answer goes on to " +
        "say that the job has completed, is gone.",
    ),
    otherwise_on: z
      .array(z.int().min(100).max(599))
      .max(20)
      .default([])
      .describe(
        "HTTP statuses of this answer that mean that there is no such result: what is at otherwise " +
          "is it; in the case of 404 and 410 once gone_after has confirmed it. Read where no rule " +
          "matches.",
      ),
    error: pointers
      .optional()
      .describe("Where this answer says what went wrong; extract.error unless given."),
    otherwise: pointers
      .default(WHOLE_ANSWER)
      .describe(
        "Where the result is in the status answer when that lacks the URL or a value that the " +
          "request needs, as when all parts of a batch failed; when only_if does not hold; when " +
          "this answer is larger than answer_bytes_max, or has a status of otherwise_on.",
      ),
  })
  .refine(({ format, at }) => format === "json" || (at.length === 1 && at[0] === ""), {
    error: "There are no places in a text; remove this or say format: json.",
    path: ["at"],
  });

export const resultSchema = z.discriminatedUnion(
  "kind",
  [inlineSchema, pointerSchema, requestSchema],
  { error: 'Must be "inline", "pointer" or "request".' },
);

export type ResultDefinition = z.output<typeof resultSchema>;
