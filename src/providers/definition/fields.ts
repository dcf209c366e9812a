import { z } from "zod";
import { JSON_POINTER } from "../language/json-pointer.ts";
import { readPathTemplate, readTemplate, type TemplateReading } from "../language/template.ts";

/* The parts that several fields of a definition are made of. */

// RFC 9110 5.6.2: what a header name may hold. Lower case, because that is how they are compared.
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

export const pointer = z
  .string()
  .max(500)
  .regex(JSON_POINTER, "Must be a JSON Pointer such as /data/status, or the empty text for all.")
  .refine((text) => text.split("/").length - 1 <= POINTER_STEPS_MAX, {
    error: `Must lead at most ${POINTER_STEPS_MAX} levels deep.`,
  });

/** Several places to look for one thing: the first that holds a value wins. */
export const pointers = z.array(pointer).max(10);

export const paramName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z_]\w*$/, "Must be letters, digits and _, not starting with a digit.");

/** `hasAnswer`: whether `{answer.<pointer>}` may occur, for requests that follow an answer. */
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

/** What a custom check of zod reports to. */
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

/** When something that an upstream says is not there counts as gone. */
export function goneAfter(defaults: { readonly answers: number; readonly over_s: number }) {
  return z
    .strictObject({
      answers: z
        .int()
        .min(1)
        .max(1000)
        .default(defaults.answers)
        .describe("So many answers in a row must say so."),
      over_s: seconds
        .max(24 * 3600)
        .default(defaults.over_s)
        .describe("And the last of them so many seconds after the first."),
    })
    .prefault({});
}

export const hostPatterns = z.array(hostPattern).min(1).max(100);
