import { z } from "zod";
import { goneAfter, hostPatterns, pointers } from "./fields.ts";
import { resultRequestSchema } from "./request.ts";
import { conditionsSchema, rulesSchema } from "./rule.ts";

/* How a definition describes where the result of a completed job is. */

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
        "Whether the credential is sent, to the connection's own host, base_url's and " +
          "allowed_hosts.",
      ),
    hosts: hostPatterns
      .optional()
      .describe("Hosts that a link may lead to besides those; the credential never goes there."),
  })
  .optional()
  .describe(
    "How a result that is a link is fetched, once, for subscriptions with fetch_result. " +
      "Without this it is only passed on.",
  );

const inlineSchema = z.strictObject({
  kind: z.literal("inline"),
  at: pointers
    .default(WHOLE_ANSWER)
    .describe("Where the result is in the status response; by default the whole response."),
  download: downloadSchema,
});

const pointerSchema = z.strictObject({
  kind: z.literal("pointer"),
  at: pointers
    .min(1)
    .describe("Where the link to the result is in the status response; passed on unchanged."),
  download: downloadSchema,
});

const requestSchema = z
  .strictObject({
    kind: z.literal("request"),
    request: resultRequestSchema.describe(
      "The request that is sent once the status is completed. While it fails the job stays " +
        "live.",
    ),
    only_if: conditionsSchema
      .default([])
      .describe(
        "Conditions on the JSON of the status response, all of which must hold; if one does not, " +
          "no request is sent and the result is at otherwise.",
      ),
    format: z
      .enum(["json", "text"])
      .default("json")
      .describe(
        "text: the response is any UTF-8, such as JSON Lines, and becomes one JSON string.",
      ),
    at: pointers
      .default(WHOLE_ANSWER)
      .describe("Where the result is in this response; by default the whole response."),
    rules: rulesSchema
      .refine((rules) => rules.every((rule) => (rule.remember ?? rule.remembered) === undefined), {
        error: "Only the rules for status responses can remember; remove remember and remembered.",
      })
      .default([])
      .describe(
        "The meaning of this response, tried in order. If none matches: 2xx is the result, 404 " +
          "and 410 mean that it is not there, which gone_after confirms; everything else is " +
          "retried.",
      ),
    gone_after: goneAfter({ answers: 3, over_s: 600 }).describe(
      "When a result that is not there (404, 410, not_found) is gone, although the status is " +
        "still completed.",
    ),
    otherwise_on: z
      .array(z.int().min(100).max(599))
      .max(20)
      .default([])
      .describe(
        "HTTP statuses of this response that mean that there is no such result, so that the " +
          "value at otherwise is used; for 404, 410 and responses that are neither JSON nor XML, " +
          "such as a proxy's page, once gone_after has confirmed it. Applied if no rule matches.",
      ),
    error: pointers
      .optional()
      .describe("Where this response has the error; by default extract.error."),
    otherwise: pointers
      .default(WHOLE_ANSWER)
      .describe(
        "Where the result is in the status response when that lacks the URL or a value that the " +
          "request needs, for example because all parts of a batch failed; when only_if does not " +
          "hold; when this response is larger than answer_bytes_max, or has a status of " +
          "otherwise_on.",
      ),
  })
  .refine(({ format, at }) => format === "json" || (at.length === 1 && at[0] === ""), {
    error: "A text has no places; remove this or set format: json.",
    path: ["at"],
  });

export const resultSchema = z.discriminatedUnion(
  "kind",
  [inlineSchema, pointerSchema, requestSchema],
  { error: 'Must be "inline", "pointer" or "request".' },
);

export type ResultDefinition = z.output<typeof resultSchema>;
