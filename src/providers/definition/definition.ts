import { z } from "zod";
import { REQUESTS_PER_SECOND_MIN } from "../../core/limits/poll-ceilings.ts";
import { BELIEVED_WAIT_MS_MAX, RETRY_AFTER_MS_MAX } from "../../core/job/retry-after.ts";
import { authSchema } from "./auth.ts";
import { checkParams } from "./params.ts";
import {
  AFFINITY_COOKIES,
  answerBytes,
  ANSWER_BYTES_DEFAULT,
  cookiePattern,
  goneAfter,
  headerName,
  headerText,
  hostPatterns,
  paramName,
  pointer,
  pointers,
  RUNNING_ANSWER_BYTES_DEFAULT,
  seconds,
  sendableHeaderName,
  waitSeconds,
} from "./fields.ts";
import {
  cancelRequestSchema,
  hasOnePlace,
  headerOrPointer,
  ONE_PLACE,
  statusRequestSchema,
} from "./request.ts";
import { resultSchema } from "./result.ts";
import { rulesSchema } from "./rule.ts";
import { submitSchema } from "./submit.ts";

const DAY_S = 24 * 3600;

const PROGRESS_PARTS_MAX = 20;

const place = pointers.default([]);

/** The first pointer that leads to a value wins. */
const extractSchema = z.strictObject({
  status: place.describe(
    "The status word, read only when no rule matches: the job keeps running, and the word is " +
      "shown to people.",
  ),
  progress: z
    .union([pointers, z.record(z.string().min(1).max(100), pointer)], {
      error: 'Must be a list of pointers, or an object such as {"done": "/completed"}.',
    })
    .refine((of) => Array.isArray(of) || Object.keys(of).length <= PROGRESS_PARTS_MAX, {
      error: `Must be at most ${PROGRESS_PARTS_MAX} names.`,
    })
    .default([])
    .describe(
      "The progress of a running job: places of one value, or an object composed of several, " +
        "by name.",
    ),
  error: place.describe("The error: a text, {message, code}, {error: …}, or any JSON."),
  created_at: place.describe("When the job was created, as the upstream spells it."),
  updated_at: place.describe("When the job last changed, as the upstream spells it."),
});

const pollHintSchema = z
  .strictObject({
    ...headerOrPointer,
    unit: z.enum(["ms", "s"]).describe("The unit of the number."),
  })
  .refine(hasOnePlace, ONE_PLACE);

const scheduleSchema = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("exponential"),
      initial_s: waitSeconds.describe("The first wait."),
      factor: z.number().min(1).max(10).describe("Each wait is this many times the last."),
      cap_s: waitSeconds.describe("The longest wait."),
    }),
    z.strictObject({
      kind: z.literal("fixed"),
      interval_s: waitSeconds.describe("Every wait."),
    }),
    z.strictObject({
      kind: z.literal("square_root"),
      initial_s: waitSeconds.describe("The first wait; waits grow with the root of the job's age."),
      cap_s: waitSeconds.describe("The longest wait."),
    }),
  ],
  { error: 'Must be "exponential", "fixed" or "square_root".' },
);

const limitsSchema = z.strictObject({
  concurrency: z
    .int()
    .min(1)
    .max(1024)
    .default(16)
    .describe("Requests in progress at the same time."),
  requests_per_second: z
    .number()
    .min(REQUESTS_PER_SECOND_MIN)
    .max(100_000)
    .nullable()
    .default(null)
    .describe("Requests per second, one in 100 s at least; null for no limit."),
  burst: z
    .int()
    .min(1)
    .max(100_000)
    .default(1)
    .describe("How many requests may be sent at once after a quiet time."),
});

const paramSchema = z
  .strictObject({
    description: z.string().max(500).optional().describe("For people: the value to send."),
    default: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe("Used when a job does not set it. Without a default each job must."),
    optional: z
      .boolean()
      .default(false)
      .describe(
        "Whether a job may leave it out although it has no default. The query parts that use it " +
          "are then left out too; it can't be used elsewhere.",
      ),
  })
  .refine(({ default: value, optional }) => value === undefined || !optional, {
    error: "A param with a default may be left out anyway; remove this.",
    path: ["optional"],
  });

/** Names that are paths under /v1/providers. */
const RESERVED_NAMES: readonly string[] = ["schema"];

/**
 * One async job API, as plain data in JSON: how to ask about a job and how to read the response.
 * The rules are tried in order and the first that matches wins; a response that none matches has
 * HTTP's meaning (`answer/interpret.ts`).
 */
export const providerDefinitionSchema = z
  .strictObject({
    $schema: z.string().max(2048).optional().describe("For editors; says nothing."),
    name: z
      .string()
      .max(63)
      .regex(
        /^[a-z][a-z0-9_-]*$/,
        "Must be lower-case letters, digits, - and _, starting with a letter.",
      )
      .refine((name) => !RESERVED_NAMES.includes(name), { error: "This name is taken." })
      .describe("The name of the provider in subscriptions and connections."),
    title: z.string().min(1).max(200).describe("Its name for people."),
    documentation_url: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional()
      .describe("Where the API is documented."),
    notes: z.string().max(4000).optional().describe("For people: notes, and what is not verified."),
    base_url: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional()
      .describe("Paths are appended to it. Without one every connection must have its own."),
    allowed_hosts: hostPatterns
      .optional()
      .describe(
        "Host names besides base_url's that a connection, and a URL from a job or a response, " +
          "may lead to. Without a list a connection may lead anywhere public, and URLs only to the " +
          "connection's host. *.example.com allows its subdomains.",
      ),
    auth: authSchema.describe("How the credential of a connection is sent."),
    headers: z
      .record(sendableHeaderName, headerText)
      .default({})
      .describe("Headers of every request, such as the version of the API."),
    params: z
      .record(paramName, paramSchema)
      .default({})
      .describe("Params that have a default or an explanation; others need not be listed."),
    status: statusRequestSchema.describe("The request that asks about a job."),
    submit: submitSchema.describe(
      "The requests that submit a job, for clients that send theirs through the gateway: the " +
        "first entry that matches wins. recognize: any request whose response looks like that of " +
        "a job API, with the param status_url.",
    ),
    cancel: cancelRequestSchema.optional().describe("The request that cancels a job."),
    rules: rulesSchema
      .min(1)
      .describe("The meaning of a status response: tried in order, the first that matches wins."),
    extract: extractSchema.prefault({}).describe("Where values are in the status response."),
    result: resultSchema
      .prefault({ kind: "inline" })
      .describe("Where the result of a completed job is."),
    poll_hints: z
      .array(pollHintSchema)
      .max(10)
      .default([])
      .describe("Places that ask for a minimum wait before the next poll, besides Retry-After."),
    rate_limit_reset_headers: z
      .array(headerName)
      .max(10)
      .default([])
      .describe(
        "Read after Retry-After when the response means rate_limited, before RateLimit and " +
          "RateLimit-Reset; ignored when the same header with remaining in place of reset is above " +
          "0.",
      ),
    asked_wait_s_max: seconds
      .min(1)
      .max(RETRY_AFTER_MS_MAX / 1000)
      .default(BELIEVED_WAIT_MS_MAX / 1000)
      .describe(
        "The longest wait that a response may ask for; a longer one is shortened to it, since it " +
          "must be a mistake. Above an hour only for APIs that are known for such waits.",
      ),
    affinity_cookies: z
      .array(cookiePattern)
      .max(30)
      .default([...AFFINITY_COOKIES])
      .describe(
        "Cookies by which load balancers keep a client at one server, for APIs whose servers know " +
          "their own jobs only: kept for each job and sent back to the origin that set them. A * at " +
          "the end stands for any ending. Those of the known balancers unless given; [] for none.",
      ),
    min_interval_s: seconds
      .max(DAY_S)
      .default(0)
      .describe("The shortest wait between two polls of a job, even if other values are lower."),
    schedule: scheduleSchema
      .prefault({ kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 10 })
      .describe("How long to wait between the polls of a job, by its age."),
    limits: limitsSchema
      .prefault({})
      .describe("The limits of one connection; a connection can have its own."),
    not_found_grace_s: seconds
      .default(30)
      .describe("How long after acceptance a 404 means not visible yet."),
    gone_after: goneAfter({ answers: 3, over_s: 30 }).describe(
      "When a job that the API no longer knows (404, 410, not_found) has expired.",
    ),
    deadline_s: seconds
      .min(1)
      .default(2 * DAY_S)
      .describe(
        "When a job is given up unless its subscription sets another deadline: usually the API's " +
          "retention.",
      ),
    deadline_s_max: seconds
      .min(1)
      .default(30 * DAY_S)
      .describe("The longest deadline that a subscription may set."),
    request_timeout_s: z.number().min(0.1).max(600).default(30).describe("For one whole exchange."),
    answer_bytes_max: answerBytes
      .default(ANSWER_BYTES_DEFAULT)
      .describe("The largest response that is read."),
    running_answer_bytes_max: answerBytes
      .default(RUNNING_ANSWER_BYTES_DEFAULT)
      .describe(
        "The largest response of a job that still runs: a larger one counts as unusable, and the " +
          "job is polled less often. With result.kind request, of every status response.",
      ),
  })
  .refine(({ deadline_s, deadline_s_max }) => deadline_s <= deadline_s_max, {
    error: "The default deadline is above deadline_s_max, the longest one.",
    path: ["deadline_s"],
  })
  .superRefine(checkParams);

/** A definition with every default filled in. */
export type ProviderDefinition = z.output<typeof providerDefinitionSchema>;
/** A definition as written, defaults left out. */
export type ProviderDefinitionSource = z.input<typeof providerDefinitionSchema>;
