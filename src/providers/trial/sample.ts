import { z } from "zod";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { UpstreamResponse } from "../language/read-body.ts";

const HEADERS_MAX = 100;

const headerValue = z.union([z.string(), z.array(z.string())], {
  error: "Must be a text, or a list of texts for a header that comes more than once.",
});

/** A response of an upstream, written by a person. */
export const sampleAnswerSchema = z.strictObject({
  status: z.int().min(100).max(599).describe("The HTTP status."),
  headers: z
    .record(z.string().min(1).max(100), headerValue)
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
      error: `Must be at most ${HEADERS_MAX} headers.`,
    })
    .default({})
    .describe("Its headers, by name."),
  body: z
    .unknown()
    .optional()
    .describe("Its body: a text is taken as it is, any other JSON as the JSON that came."),
});

type SampleAnswer = z.output<typeof sampleAnswerSchema>;

/**
 * The response that a sample represents. Its body is cut out of the sample's own text, so that
 * numbers keep their digits.
 * @param place where the sample is in `text`
 */
export function answerOfSample(
  sample: SampleAnswer,
  text: string,
  place: readonly string[],
): UpstreamResponse {
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(sample.headers)) headers[name.toLowerCase()] = value;
  return { status: sample.status, headers, body: Buffer.from(bodyText(sample, text, place)) };
}

function bodyText(sample: SampleAnswer, text: string, place: readonly string[]): string {
  if (typeof sample.body === "string") return sample.body;
  return sample.body === undefined ? "" : (sliceRawJson(text, [...place, "body"]) ?? "");
}
