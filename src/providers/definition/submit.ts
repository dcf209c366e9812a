import { z } from "zod";
import { headerName, paramName, pointer } from "./fields.ts";
import { pathPatternProblem } from "../language/path-pattern.ts";
import { conditionsSchema, headerTest, httpStatusSchema } from "./rule.ts";

/*
 * How a definition describes the requests that submit a job, and which part of the exchange names
 * that job.
 */

const SOURCES_MAX = 10;
const CALLBACK_FIELDS_MAX = 10;

/** A field of a request's body: the name of one, or a JSON Pointer to one further down. */
const fieldSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(
    /^(?:[^/]|(?:\/(?:[^~/]|~[01])+)+$)/,
    "Must be a name, or a JSON Pointer such as /webhook/url.",
  );

/** Where one text of a submission is. */
const sourceSchema = z
  .strictObject({
    pointer: pointer
      .optional()
      .describe("A place in the JSON of the response that holds a text or a number."),
    header: headerName.optional().describe("A header of the response."),
    path: paramName
      .optional()
      .describe("A part of the request's path, by its name in the pattern."),
    value: z.string().min(1).max(500).optional().describe("Always this text."),
    last_segment: z
      .boolean()
      .default(false)
      .describe("Only the last path segment of the URL found there."),
  })
  .refine(
    (one) =>
      [one.pointer, one.header, one.path, one.value].filter((at) => at !== undefined).length === 1,
    { error: "Give exactly one of pointer, header, path and value." },
  );

/** The first source that has a value wins. */
const sourcesSchema = z.union([sourceSchema, z.array(sourceSchema).min(1).max(SOURCES_MAX)], {
  error: 'Must be a source such as {"pointer": "/id"}, or a list of them.',
});

const methodSchema = z.enum(["POST", "PUT", "PATCH", "DELETE"], {
  error: "Must be POST, PUT, PATCH, DELETE, or a list of them.",
});

const submissionSchema = z.strictObject({
  note: z.string().max(500).optional().describe("For people: why the entry is there."),
  method: z
    .union([methodSchema, z.array(methodSchema).min(1).max(4)])
    .default("POST")
    .describe("The method of the request, or several."),
  path: z
    .string()
    .max(500)
    .superRefine((pattern, context) => {
      const message = pathPatternProblem(pattern);
      if (message !== null) context.addIssue({ code: "custom", message });
    })
    .describe(
      "The path below the base URL: {name} is one segment or the rest of one, {+name} one or more.",
    ),
  request_headers: z
    .array(headerTest)
    .max(10)
    .default([])
    .describe("Tests of the request's headers, all of which must hold."),
  callback_from: z
    .array(fieldSchema)
    .max(CALLBACK_FIELDS_MAX)
    .default([])
    .describe(
      "Fields of the request's body (JSON, multipart, form) that may hold where the callback goes: names, " +
        "or JSON Pointers. The first that has a text is used, and all of them are taken off.",
    ),
  when: z
    .strictObject({
      http_status: httpStatusSchema
        .default({ gte: 200, lte: 299 })
        .describe("The HTTP status: one, one of a list, or {gte, lte}; by default 2xx."),
      headers: z.array(headerTest).max(10).default([]).describe("Tests of the response's headers."),
      all: conditionsSchema.default([]).describe("Conditions on the JSON of the response."),
    })
    .prefault({})
    .describe("The responses that mean that a job exists; all parts must hold."),
  job_id: sourcesSchema.describe("The job's id."),
  params: z
    .record(paramName, sourcesSchema)
    .default({})
    .describe("The params of the subscription; one that has no value is left out."),
});

export const submitSchema = z
  .union([z.literal("recognize"), z.array(submissionSchema).max(20)], {
    error: 'Must be a list of entries, or "recognize".',
  })
  .default([]);

export type SubmissionDefinition = z.output<typeof submissionSchema>;
export type SubmissionSource = z.output<typeof sourceSchema>;
