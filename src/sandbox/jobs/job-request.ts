import { z } from "zod";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import { MISBEHAVIORS, type Misbehavior } from "./misbehavior.ts";

export const OUTCOMES = ["completed", "failed", "canceled", "expired", "never"] as const;

const JOB_DURATION_S_MAX = 86_400;
export const JOB_RESULT_BYTES_MAX = 1024 * 1024;

/** The body of a submission; how long it runs, how it ends and what its result is. */
export const jobRequestSchema = z
  .strictObject({
    duration_s: z.number().min(0).max(JOB_DURATION_S_MAX).default(3),
    outcome: z.enum(OUTCOMES).default("completed"),
    result_bytes: z.int().min(0).max(JOB_RESULT_BYTES_MAX).optional(),
    result: z.unknown().optional(),
    misbehaviour: z
      .enum(Object.keys(MISBEHAVIORS) as [Misbehavior, ...Misbehavior[]])
      .default("none"),
    pointer: z.boolean().default(false),
  })
  .refine((request) => request.result === undefined || request.result_bytes === undefined, {
    path: ["result_bytes"],
    message: "Give either result or result_bytes, not both",
  });

/** The wanted behavior of a sandbox job. */
export interface JobRequest {
  readonly durationMs: number;
  readonly outcome: (typeof OUTCOMES)[number];
  /** Raw JSON text, kept digit for digit, or null to generate it. */
  readonly result: string | null;
  /** Characters of markdown in a generated result. */
  readonly resultBytes: number;
  readonly misbehaviour: Misbehavior;
  /** Whether the result is a single-use download instead of the document. */
  readonly pointer: boolean;
}

/** One fault of a request body: where (a JSON Pointer) and what to change. */
export interface JobRequestFault {
  readonly pointer: string;
  readonly message: string;
}

type ParsedJobRequest =
  | { readonly ok: true; readonly request: JobRequest }
  | { readonly ok: false; readonly faults: readonly JobRequestFault[] };

const RESULT_BYTES_DEFAULT = 200;

/** Reads the body of a job submission; an empty one asks for all the defaults. */
export function parseJobRequest(text: string): ParsedJobRequest {
  const body = text.trim() === "" ? "{}" : text;
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { ok: false, faults: [{ pointer: "", message: "The body is not valid JSON" }] };
  }
  const parsed = jobRequestSchema.safeParse(json);
  if (!parsed.success) return { ok: false, faults: parsed.error.issues.map(faultOfIssue) };
  const { data } = parsed;
  return {
    ok: true,
    request: {
      durationMs: Math.round(data.duration_s * 1000),
      outcome: data.outcome,
      // From the text: JSON.parse would have rounded large integers.
      result: sliceRawJson(body, ["result"]),
      resultBytes: data.result_bytes ?? RESULT_BYTES_DEFAULT,
      misbehaviour: data.misbehaviour,
      pointer: data.pointer,
    },
  };
}

function faultOfIssue(issue: z.core.$ZodIssue): JobRequestFault {
  const pointer = issue.path.map((step) => `/${escapePointerStep(String(step))}`).join("");
  if (issue.code !== "unrecognized_keys") return { pointer, message: issue.message };
  const [key = ""] = issue.keys;
  return {
    pointer: `${pointer}/${escapePointerStep(key)}`,
    message: `Unknown field; known are ${Object.keys(jobRequestSchema.shape).join(", ")}`,
  };
}

/** All of them in one sentence, each with its place. */
export function messageOfFaults(faults: readonly JobRequestFault[]): string {
  return faults
    .map((fault) => (fault.pointer === "" ? fault.message : `${fault.pointer}: ${fault.message}`))
    .join("; ");
}

/** RFC 6901. */
function escapePointerStep(step: string): string {
  return step.replaceAll("~", "~0").replaceAll("/", "~1");
}
