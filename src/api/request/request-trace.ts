import { z } from "@hono/zod-openapi";
import { readTraceContext } from "../../core/trace-context.ts";

/** For the documentation; {@link traceOfRequest} reads them. */
export const traceHeadersSchema = z.object({
  traceparent: z.string().optional().openapi({
    description:
      "W3C Trace Context: the callbacks belong to the same trace. Ignored when malformed.",
  }),
  tracestate: z.string().optional(),
});

/** The trace that a request names as its own, or null. */
export function traceOfRequest(headers: Headers): string | null {
  const traceparent = headers.get("traceparent");
  return traceparent === null ? null : readTraceContext(traceparent, headers.get("tracestate"));
}
