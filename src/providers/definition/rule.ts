import { z } from "zod";
import { type ExactNumber, isExactNumber } from "../../core/json/exact-number.ts";
import { headerName, headerText, PLACEHOLDER, pointer } from "./fields.ts";

/* How a definition interprets responses: ordered rules, the first that matches wins. */

/** A number with more digits than a double holds, which is compared in full. */
const exactNumber = z
  .unknown()
  .transform((value, context): ExactNumber => {
    if (isExactNumber(value)) return value;
    context.addIssue({ code: "custom", message: "Must be a number." });
    return z.NEVER;
  })
  .meta({ type: "number" });

const text = z
  .string()
  .max(500)
  .refine((value) => !PLACEHOLDER.test(value), {
    error:
      "A value has no placeholders; status.job_at finds the part of a response that is about the job.",
  });

const scalar = z.union([text, z.number(), exactNumber, z.boolean(), z.null()], {
  error: "Must be a text, a number, true, false or null.",
});
const scalars = z.array(scalar).min(1).max(100);

const TESTS = {
  pointer: pointer.describe("The place in the response that is tested, as a JSON Pointer."),
  eq: scalar
    .optional()
    .describe('The value there is this one. 1 is not "1"; 1, 1.0 and 1e0 are one number.'),
  in: scalars.optional().describe("The value there is one of these."),
  not_eq: scalar.optional().describe("There is a value, and it is another than this."),
  not_in: scalars.optional().describe("There is a value, and it is none of these."),
  exists: z.boolean().optional().describe("Whether there is a value; null counts as absent."),
  empty: z
    .boolean()
    .optional()
    .describe(
      'Whether the value there says nothing: null, false, 0, "", blanks, "0", "null", "none", ' +
        '"undefined", or a list or object of ' +
        "nothing else; no value at all is empty too.",
    ),
  contains: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe("The value there is a text with this text somewhere in it."),
  ignore_case: z.boolean().default(false).describe("Whether texts are compared ignoring case."),
};

const TEST_NAMES = ["eq", "in", "not_eq", "not_in", "exists", "empty", "contains"] as const;

function hasTest(condition: Readonly<Record<string, unknown>>): boolean {
  return TEST_NAMES.some((name) => condition[name] !== undefined);
}

const elementConditionSchema = z
  .strictObject({
    ...TESTS,
    pointer: pointer.describe("The place in the element that is tested, as a JSON Pointer."),
  })
  .refine(hasTest, { error: `A condition needs one of ${TEST_NAMES.join(", ")}.` });

/** Several tests in one condition must all hold. */
const conditionSchema = z
  .strictObject({
    ...TESTS,
    some: z
      .array(elementConditionSchema)
      .min(1)
      .max(10)
      .optional()
      .describe(
        "The value there is an array with an element for which all of these hold; their pointers " +
          "start at the element.",
      ),
  })
  .refine((condition) => hasTest(condition) || condition.some !== undefined, {
    error: `A condition needs one of ${TEST_NAMES.join(", ")} or some.`,
  });

export const conditionsSchema = z.array(conditionSchema).max(10);

const HEADER_TESTS = ["eq", "in", "contains", "exists"] as const;

export const headerTest = z
  .strictObject({
    name: headerName.describe("The header, in lower case."),
    eq: headerText.optional().describe("Its value is this text."),
    in: z.array(headerText).min(1).max(100).optional().describe("Its value is one of these."),
    contains: headerText.optional().describe("This is a part of its value, in any case."),
    exists: z.boolean().optional().describe("Whether the response has it."),
  })
  .refine((test) => HEADER_TESTS.some((one) => test[one] !== undefined), {
    error: "A test of a header needs one of eq, in, contains, exists.",
  });

const status = z.int().min(100).max(599);

export const httpStatusSchema = z.union(
  [
    status,
    z.array(status).min(1).max(50),
    z.strictObject({
      gte: status.describe("From this one on."),
      lte: status.describe("Up to this one."),
    }),
  ],
  {
    error: 'Must be a status such as 200, a list such as [200, 202], or {"gte": 200, "lte": 299}.',
  },
);

const OBSERVATIONS = [
  "running",
  "completed",
  "failed",
  "canceled",
  "expired",
  "not_found",
  "rate_limited",
  "credential_rejected",
  "retry",
] as const;

const remembered = z.string().regex(/^[a-z][a-z0-9_]{0,49}$/, {
  error: "Must be a name of up to 50 letters a-z, digits and underscores.",
});

const ruleSchema = z
  .strictObject({
    note: z.string().max(500).optional().describe("For people: why the rule is there."),
    http_status: httpStatusSchema
      .optional()
      .describe("The HTTP status: one, one of a list, or {gte, lte}; any by default."),
    headers: z
      .array(headerTest)
      .max(10)
      .default([])
      .describe("Tests of the response's headers, all of which must hold."),
    all: conditionsSchema
      .default([])
      .describe("Conditions on the JSON of the response, all of which must hold."),
    observe: z
      .enum(OBSERVATIONS)
      .describe(
        "The meaning of the response. not_found: not visible yet within not_found_grace_s, " +
          "expired after it. rate_limited: the connection pauses. credential_rejected: the " +
          "connection pauses once that is confirmed, and is probed. retry: an outage, which says " +
          "nothing about the job.",
      ),
    error: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe(
        "For a job that failed, was canceled or expired: the error if the response has none.",
      ),
    remember: remembered
      .optional()
      .describe(
        "For a running job: a mark that rules for later responses can test with remembered.",
      ),
    remembered: remembered
      .optional()
      .describe("An earlier response matched a rule with this remember."),
    phase: z
      .enum(["pending", "processing"])
      .optional()
      .describe("For a running job: whether work has begun; by default processing."),
    wait_s: z
      .number()
      .positive()
      .max(24 * 3600)
      .optional()
      .describe("For rate_limited: how long the connection pauses when the response does not say."),
  })
  .refine(({ observe, phase }) => phase === undefined || observe === "running", {
    error: "Only a running job has a phase; remove it or observe running.",
    path: ["phase"],
  })
  .refine(({ observe, remember }) => remember === undefined || observe === "running", {
    error: "Only responses of running jobs can be remembered; remove remember or observe running.",
    path: ["remember"],
  })
  .refine(({ observe, wait_s }) => wait_s === undefined || observe === "rate_limited", {
    error: "Only rate_limited has a wait; remove it or observe rate_limited.",
    path: ["wait_s"],
  });

/**
 * Each such condition may look through a thousand elements, and all polls of all projects wait
 * while a response is read.
 */
const ELEMENT_CONDITIONS_MAX = 100;

/** Each such place may have to be looked up in the text of the response. */
const NUMBER_PLACES_MAX = 50;

/** The rules for one response. */
export const rulesSchema = z
  .array(ruleSchema)
  .max(200)
  .refine((rules) => countElementConditions(rules) <= ELEMENT_CONDITIONS_MAX, {
    error: `All rules together may have at most ${ELEMENT_CONDITIONS_MAX} conditions in "some".`,
  })
  .refine((rules) => numberPlaces(rules).size <= NUMBER_PLACES_MAX, {
    error: `All rules together may compare numbers at no more than ${NUMBER_PLACES_MAX} places.`,
  });

function countElementConditions(rules: readonly z.output<typeof ruleSchema>[]): number {
  const conditions = rules.flatMap((rule) => rule.all);
  return conditions.reduce((count, { some = [] }) => count + some.length, 0);
}

function numberPlaces(rules: readonly z.output<typeof ruleSchema>[]): ReadonlySet<string> {
  const conditions = rules.flatMap((rule) => rule.all);
  return new Set(conditions.filter(comparesNumbers).map(({ pointer: place }) => place));
}

function comparesNumbers(tests: z.output<typeof elementConditionSchema>): boolean {
  const { eq, in: oneOf = [], not_eq: not, not_in: noneOf = [] } = tests;
  return [eq, not, ...oneOf, ...noneOf].some(
    (one) => typeof one === "number" || isExactNumber(one),
  );
}

/** A constant that the value at a place is compared with. */
export type Scalar = z.output<typeof scalar>;
export type ProviderRule = z.output<typeof ruleSchema>;
export type HeaderTest = ProviderRule["headers"][number];
export type ProviderCondition = ProviderRule["all"][number];
export type ElementCondition = NonNullable<ProviderCondition["some"]>[number];
