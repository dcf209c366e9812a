import { z } from "zod";
import { JSON_POINTER } from "../language/json-pointer.ts";
import { readPathTemplate, readTemplate, type TemplateReading } from "../language/template.ts";

/* Parts shared by several fields of a definition. */

// RFC 9110 5.6.2: characters of a header name. Lower case, because that is how they are compared.
export const headerName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, "Must be a header name in lower case.");

const PRINTABLE_LINE = /^[\x20-\x7e]*$/;

export const headerText = z
  .string()
  .max(1000)
  .regex(PRINTABLE_LINE, "Must be printable ASCII on one line.");

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

export const sendableHeaderName = headerName.refine((name) => !RESERVED_HEADERS.has(name), {
  error: "This header belongs to the connection and cannot be set.",
});

/**
 * Cookies of load balancers that say where to send a request, and nothing else. Cookies of sessions,
 * such as JSESSIONID, are not among them: they stand for what a server remembers of a client, and to
 * send one back may mix what jobs, or whole connections, are to keep apart.
 */
export const AFFINITY_COOKIES = [
  "AWSALB*",
  "AWSELB*",
  "ARRAffinity*",
  "ApplicationGatewayAffinity*",
  "GCLB",
  "GCILB",
  "INGRESSCOOKIE",
  "SERVERID",
  "BIGipServer*",
  "__cflb",
  "DO-LB",
  "heroku-session-affinity",
] as const;

/** The name of a cookie (RFC 6265, 4.1.1); a `*` at its end stands for any ending. */
export const cookiePattern = z
  .string()
  .max(100)
  .regex(
    /^[A-Za-z0-9!#$%&'+.^_`|~-]+\*?$/,
    "Must be the name of a cookie, a * at most at its end.",
  );

const POINTER_STEPS_MAX = 20;

/** Would be taken literally in a pointer or a value to compare with. */
export const PLACEHOLDER = /\{(?:job_id|params\.\w+)\}/;

export const pointer = z
  .string()
  .max(500)
  .regex(
    JSON_POINTER,
    "Must be a JSON Pointer such as /data/status, or empty for the whole document.",
  )
  .refine((text) => text.split("/").length - 1 <= POINTER_STEPS_MAX, {
    error: `Must lead at most ${POINTER_STEPS_MAX} levels deep.`,
  })
  .refine((text) => !PLACEHOLDER.test(text), {
    error:
      "A pointer has no placeholders; status.job_at finds the part of a response that is about the job.",
  });

/** Several places to look for one value: the first that holds one wins. */
export const pointers = z.array(pointer).max(10);

export const paramName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z_]\w*$/, "Must be letters, digits and _, not starting with a digit.");

/** `hasAnswer`: whether `{answer.<pointer>}` is allowed, for requests that follow a response. */
export function templateFields(hasAnswer: boolean) {
  const text = z
    .string()
    .max(1000)
    .superRefine((source, context) =>
      reportMalformed(readTemplate(source, { hasAnswer, isPath: false }), context),
    );
  const path = z
    .string()
    .max(1000)
    .superRefine((source, context) =>
      reportMalformed(readPathTemplate(source, hasAnswer), context),
    );
  const header = text.regex(PRINTABLE_LINE, "Must be printable ASCII on one line.");
  return { text, path, header };
}

/** Receives the issues of a custom zod check. */
export interface IssueSink {
  addIssue(issue: { code: "custom"; message: string; path?: PropertyKey[] }): void;
}

function reportMalformed(reading: TemplateReading, context: IssueSink): void {
  if (reading.kind === "malformed") context.addIssue({ code: "custom", message: reading.problem });
}

export const seconds = z
  .number()
  .min(0)
  .max(365 * 24 * 3600);

export const waitSeconds = z
  .number()
  .min(0.01)
  .max(24 * 3600);

const MEBIBYTE = 2 ** 20;

export const answerBytes = z
  .int()
  .min(1024)
  .max(256 * MEBIBYTE);

export const ANSWER_BYTES_DEFAULT = 32 * MEBIBYTE;
export const RUNNING_ANSWER_BYTES_DEFAULT = MEBIBYTE;

const HOST =
  /^(?:\*|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.(?:\*|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?))*$/;

/** A host name; `*` at its start stands for one label or more, elsewhere for exactly one. */
const hostPattern = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(HOST, "Must be a host name such as api.example.com or *.example.com, without a port.")
  .refine((host) => !/^(?:\*\.?)+(?:[a-z0-9-]+)?$/.test(host), {
    error: "This would allow almost any host; name at least the domain, as in *.example.com.",
  });

/** When something that an upstream reports missing counts as gone. */
export function goneAfter(defaults: { readonly answers: number; readonly over_s: number }) {
  return z
    .strictObject({
      answers: z
        .int()
        .min(1)
        .max(1000)
        .default(defaults.answers)
        .describe("How many consecutive responses must say so."),
      over_s: seconds
        .max(24 * 3600)
        .default(defaults.over_s)
        .describe("How many seconds must pass between the first and the last of them."),
    })
    .prefault({});
}

export const hostPatterns = z.array(hostPattern).min(1).max(100);
