import { z } from "zod";
import {
  headerName,
  hostPatterns,
  type IssueSink,
  paramName,
  pointer,
  sendableHeaderName,
  templateFields,
} from "./fields.ts";
import { jsonTemplateProblem } from "../language/json-template.ts";

/* How a definition describes its requests about a job. */

const WRITING_METHODS = ["POST", "PUT", "PATCH", "DELETE"] as const;
const METHODS = ["GET", ...WRITING_METHODS] as const;

const name = z.string().min(1).max(100);

/** Fields of every request; `hasAnswer` for those that follow a response. */
function requestFields(hasAnswer: boolean) {
  const { text, path, header } = templateFields(hasAnswer);
  const placeholders = hasAnswer
    ? "{job_id}, {params.<name>} and {answer.<JSON Pointer>}, a place in the previous response"
    : "{job_id} and {params.<name>}";
  const body = z.discriminatedUnion(
    "kind",
    [
      z.strictObject({
        kind: z.literal("json"),
        value: z
          .unknown()
          .superRefine((value, context) => {
            const problem = jsonTemplateProblem(value, hasAnswer);
            if (problem !== null) context.addIssue({ code: "custom", ...problem });
          })
          .describe(`The JSON to send; its strings are templates with ${placeholders}.`),
      }),
      z.strictObject({
        kind: z.literal("form"),
        fields: z
          .record(name, text)
          .describe("Sent as application/x-www-form-urlencoded; each value is a template."),
      }),
    ],
    { error: 'Must be "json" (with value) or "form" (with fields).' },
  );
  return {
    path: path
      .optional()
      .describe(
        `Follows the base URL; ${placeholders} are filled in, each as one encoded path segment. ` +
          "{+job_id} keeps the slashes of its value.",
      ),
    query: z
      .record(name, text)
      .default({})
      .describe(`The query by name; each value is a template with ${placeholders}.`),
    headers: z
      .record(sendableHeaderName, header)
      .default({})
      .describe("Headers of this request; each value is a template, filled in percent-encoded."),
    body: body.optional().describe("The body; a matching content-type is sent with it."),
  };
}

const urlParam = paramName
  .optional()
  .describe(
    "Instead of path: the param that holds the whole URL, given with each job. It may lead to the " +
      "connection's own host, the host of base_url and allowed_hosts, nowhere else.",
  );

function checkRequest(
  request: {
    readonly method: string;
    readonly path?: string | undefined;
    readonly body?: unknown;
  },
  urlField: string,
  isUrl: boolean,
  context: IssueSink,
) {
  const issue = (message: string, path: PropertyKey[]): void =>
    context.addIssue({ code: "custom", message, path });
  if (isUrl === (request.path !== undefined)) {
    issue(`A request needs either path or ${urlField}.`, [isUrl ? urlField : "path"]);
  }
  if (request.method === "GET" && request.body !== undefined) {
    issue("A GET request has no body; use method: POST, or move this into query.", ["body"]);
  }
}

/** A place in a response: a header or a JSON Pointer. */
export const headerOrPointer = {
  header: headerName.optional().describe("The name of a header of the response."),
  pointer: pointer.optional().describe("A JSON Pointer into the response."),
};

export function hasOnePlace(place: {
  readonly header?: string | undefined;
  readonly pointer?: string | undefined;
}): boolean {
  return (place.header === undefined) !== (place.pointer === undefined);
}

export const ONE_PLACE = { error: "Give either header or pointer." };

export const statusRequestSchema = z
  .strictObject({
    method: z.enum(METHODS).default("GET").describe("The method of the status request."),
    url_param: urlParam,
    ...requestFields(false),
    format: z
      .enum(["json", "text"])
      .default("json")
      .describe(
        "text: the response is any text, such as a plain word, XML or server-sent events. Rules and " +
          "pointers see it as one JSON string, at the empty pointer.",
      ),
    job_at: z
      .strictObject({
        pointer: pointer.describe("The list or object of jobs in the response."),
        id: pointer
          .optional()
          .describe(
            "In a list: where each element has its id, a text or a number. Without it the jobs are " +
              "the members of an object, by id.",
          ),
        missing: z
          .enum(["not_found", "running"])
          .default("not_found")
          .describe("The meaning of a 2xx response that does not hold the job."),
      })
      .optional()
      .describe(
        "For responses about several jobs: the part that is about this one, with which all rules and " +
          "pointers then work. Applies to 2xx responses.",
      ),
    long_poll: z
      .strictObject({
        query: name.describe(
          "The query parameter that asks the upstream to hold its response back.",
        ),
        seconds: z.int().min(1).max(300).describe("Its value, and how much longer to wait."),
      })
      .optional()
      .describe(
        "Long polling: the upstream responds when something happens. Used while the connection " +
          "has few jobs, since a waiting request uses up concurrency.",
      ),
    etag: z
      .boolean()
      .default(false)
      .describe(
        "Sends the ETag of the last response as If-None-Match; 304 means that nothing changed.",
      ),
    next_url: z
      .strictObject(headerOrPointer)
      .refine(hasOnePlace, ONE_PLACE)
      .optional()
      .describe(
        "Where the response of a running job names the next status URL, on an allowed host. Kept " +
          "in memory: after a restart the first URL is used again.",
      ),
  })
  .superRefine((request, context) =>
    checkRequest(request, "url_param", request.url_param !== undefined, context),
  )
  .refine(({ format, job_at: jobAt }) => format === "json" || jobAt === undefined, {
    error: "A text has no parts; remove this or set format: json.",
    path: ["job_at"],
  });

export const cancelRequestSchema = z
  .strictObject({
    // No default method: a cancel request must never be a GET by omission.
    method: z.enum(WRITING_METHODS).describe("The method of the cancel request; never GET."),
    url_param: urlParam,
    ...requestFields(false),
  })
  .superRefine((request, context) =>
    checkRequest(request, "url_param", request.url_param !== undefined, context),
  );

export const resultRequestSchema = z
  .strictObject({
    method: z.enum(METHODS).default("GET").describe("The method of the request for the result."),
    url_at: z
      .array(
        z.union(
          [pointer, z.strictObject({ header: headerName.describe("A header of the response.") })],
          {
            error: 'Must be a JSON Pointer, or a header such as {"header": "location"}.',
          },
        ),
      )
      .max(10)
      .min(1)
      .optional()
      .describe(
        "Instead of path: places in the status response that hold the URL, as JSON Pointers or " +
          '{"header": "location"}; the first wins. A path alone refers to the connection\'s host.',
      ),
    ...requestFields(true),
    credential: z
      .boolean()
      .default(true)
      .describe("Whether the credential is sent; false for links that carry their own."),
    hosts: hostPatterns
      .optional()
      .describe(
        "With credential: false, the hosts that a URL in the response may lead to besides the " +
          "connection's own, the host of base_url and allowed_hosts.",
      ),
  })
  .superRefine((request, context) => {
    checkRequest(request, "url_at", request.url_at !== undefined, context);
    if (request.hosts === undefined) return;
    const message = request.credential
      ? "Only a request without the credential may go to further hosts; set credential: false."
      : request.url_at === undefined
        ? "Only for url_at; a path goes to the connection's host."
        : null;
    if (message !== null) context.addIssue({ code: "custom", message, path: ["hosts"] });
  });

type StatusRequestDefinition = z.output<typeof statusRequestSchema>;
type CancelRequestDefinition = z.output<typeof cancelRequestSchema>;
type ResultRequestDefinition = z.output<typeof resultRequestSchema>;

/** Shared by the three kinds of request. */
export type RequestDefinition =
  | StatusRequestDefinition
  | CancelRequestDefinition
  | ResultRequestDefinition;
