import { z } from "zod";
import { JSON_POINTER } from "./json-pointer.ts";
import { readPathTemplate, readTemplate } from "./path-template.ts";

// RFC 9110 5.6.2: what a header name may hold. Lower case, because that is how they are compared.
const headerName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, "A header name in lower case.");

const headerText = z
  .string()
  .max(1000)
  .regex(/^[\x20-\x7e]*$/, "Printable ASCII, one line.");

/** Headers that belong to the connection or the message, never to a definition. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const sendableHeaderName = headerName.refine((name) => !RESERVED_HEADERS.has(name), {
  error: "This header belongs to the connection and cannot be set.",
});

const template = z
  .string()
  .max(1000)
  .superRefine((source, context) => reportMalformed(readTemplate(source), context));

const pathTemplate = z
  .string()
  .max(1000)
  .superRefine((source, context) => reportMalformed(readPathTemplate(source), context));

function reportMalformed(
  reading: ReturnType<typeof readTemplate>,
  context: { addIssue(message: string): void },
): void {
  if (reading.kind === "malformed") context.addIssue(reading.problem);
}

const pointer = z.string().max(500).regex(JSON_POINTER, "A JSON pointer such as /data/status.");
const pointers = z.array(pointer).max(10).default([]);

const seconds = z
  .number()
  .min(0)
  .max(365 * 24 * 3600);
const waitSeconds = z
  .number()
  .min(0.01)
  .max(24 * 3600);

/** How the credential is sent. `basic` expects `user:password`. */
const authSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("header"),
    name: sendableHeaderName,
    prefix: headerText.default(""),
  }),
  z.strictObject({ kind: z.literal("bearer") }),
  z.strictObject({ kind: z.literal("basic") }),
  z.strictObject({ kind: z.literal("query"), name: z.string().min(1).max(100) }),
  z.strictObject({ kind: z.literal("none") }),
]);

/** `{job_id}` and `{params.<name>}` are filled in, each as one encoded segment or value. */
const requestSchema = z.strictObject({
  method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]).default("GET"),
  path: pathTemplate,
  query: z.record(z.string().min(1).max(100), template).default({}),
});

// No default method: a cancel request must never be a GET by omission.
const cancelSchema = requestSchema.extend({ method: z.enum(["POST", "PUT", "PATCH", "DELETE"]) });

const scalar = z.union([z.string().max(500), z.number(), z.boolean(), z.null()]);

/** Several tests in one condition must all hold. Strings compare by case unless told not to. */
const conditionSchema = z
  .strictObject({
    pointer,
    eq: scalar.optional(),
    in: z.array(scalar).min(1).max(100).optional(),
    /** Present means: there, and not null. */
    exists: z.boolean().optional(),
    ignore_case: z.boolean().default(false),
  })
  .refine(
    ({ eq, in: oneOf, exists }) => eq !== undefined || oneOf !== undefined || exists !== undefined,
    {
      error: "A condition needs eq, in or exists.",
    },
  );

const status = z.int().min(100).max(599);

const ruleSchema = z
  .strictObject({
    http_status: z
      .union([status, z.array(status).min(1).max(50), z.strictObject({ gte: status, lte: status })])
      .optional(),
    all: z.array(conditionSchema).max(10).default([]),
    observe: z.enum([
      "running",
      "completed",
      "failed",
      "canceled",
      "expired",
      /** Not visible yet within the grace period, expired after it. */
      "not_found",
      "rate_limited",
      "credential_rejected",
      /** An outage: says nothing about the job. */
      "retry",
    ]),
    /** Of a running job; `processing` unless given. */
    phase: z.enum(["pending", "processing"]).optional(),
  })
  .refine(({ observe, phase }) => phase === undefined || observe === "running", {
    error: "Only a running job has a phase.",
    path: ["phase"],
  });

/** JSON pointers into the answer; of several the first that leads to a value wins. */
const extractSchema = z.strictObject({
  /** Only for an answer that no rule matches: the unknown status that people get to see. */
  status: pointers,
  /** Only while the job runs. */
  progress: pointers,
  error: pointers,
  result: pointers,
  created_at: pointers,
  updated_at: pointers,
  /** Headers that ask for a minimum wait before the next poll, besides Retry-After. */
  poll_hint_headers: z
    .array(z.strictObject({ name: headerName, unit: z.enum(["ms", "s"]) }))
    .max(10)
    .default([]),
});

const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("exponential"),
    initial_s: waitSeconds,
    factor: z.number().min(1).max(10),
    cap_s: waitSeconds,
  }),
  z.strictObject({ kind: z.literal("fixed"), interval_s: waitSeconds }),
  z.strictObject({ kind: z.literal("square_root"), initial_s: waitSeconds, cap_s: waitSeconds }),
]);

const limitsSchema = z.strictObject({
  concurrency: z.int().min(1).max(1024),
  requests_per_second: z.number().positive().max(100_000).nullable().default(null),
  burst: z.int().min(1).max(100_000).default(1),
});

/**
 * One async job API, as plain data that JSON can hold: how to ask about a job and how to read
 * the answer. The rules are tried in order and the first that matches wins; an answer that none
 * matches means what HTTP says it means (`interpret-answer.ts`).
 */
export const providerDefinitionSchema = z
  .strictObject({
    name: z
      .string()
      .max(63)
      .regex(/^[a-z][a-z0-9_-]*$/, "Lower-case letters, digits, - and _, starting with a letter."),
    title: z.string().min(1).max(200),
    documentation_url: z.url({ protocol: /^https?$/ }).optional(),
    base_url: z.url({ protocol: /^https?$/ }),
    /** Host names a connection may use instead of base_url's; absent means any. `*.x` allows subdomains. */
    allowed_hosts: z.array(z.string().min(1).max(253).toLowerCase()).min(1).max(100).optional(),
    auth: authSchema,
    headers: z.record(sendableHeaderName, headerText).default({}),
    status: requestSchema,
    cancel: cancelSchema.optional(),
    rules: z.array(ruleSchema).min(1).max(200),
    extract: extractSchema,
    schedule: scheduleSchema,
    limits: limitsSchema,
    /** How long after acceptance a 404 means "not visible yet". */
    not_found_grace_s: seconds.default(30),
    deadline_s: seconds.min(1),
    deadline_s_max: seconds.min(1),
    request_timeout_s: z.number().min(0.1).max(600).default(30),
    answer_bytes_max: z
      .int()
      .min(1024)
      .max(256 * 2 ** 20)
      .default(32 * 2 ** 20),
    /** Read after Retry-After when the answer means "rate limited". */
    rate_limit_reset_headers: z.array(headerName).max(10).default([]),
  })
  .refine(({ deadline_s, deadline_s_max }) => deadline_s <= deadline_s_max, {
    error: "The default deadline is above the longest one.",
    path: ["deadline_s"],
  });

/** A definition with every default filled in. */
export type ProviderDefinition = z.output<typeof providerDefinitionSchema>;
/** A definition as written down, defaults left out. */
export type ProviderDefinitionSource = z.input<typeof providerDefinitionSchema>;

export type ProviderAuth = ProviderDefinition["auth"];
export type ProviderRule = ProviderDefinition["rules"][number];
export type ProviderCondition = ProviderRule["all"][number];
export type RequestDefinition =
  | ProviderDefinition["status"]
  | NonNullable<ProviderDefinition["cancel"]>;
