import type { Observation } from "../../src/core/observation.ts";
import type { HeaderValues } from "../../src/core/retry-after.ts";
import {
  type ProviderDefinitionSource,
  providerDefinitionSchema,
} from "../../src/providers/definition.ts";
import { type AnswerFacts, interpretAnswer } from "../../src/providers/interpret-answer.ts";
import { compileProvider, type Provider } from "../../src/providers/provider.ts";

/** The least a definition can say. */
export const exampleSource = {
  name: "example",
  title: "Example",
  base_url: "https://api.example.com",
  auth: { kind: "bearer" },
  status: { path: "/jobs/{job_id}" },
  rules: [
    { all: [{ pointer: "/status", eq: "running" }], observe: "running" },
    { all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
  ],
  extract: { status: ["/status"], error: ["/error"], result: ["/output"] },
  schedule: { kind: "fixed", interval_s: 2 },
  limits: { concurrency: 4 },
  deadline_s: 3600,
  deadline_s_max: 7200,
} as const satisfies ProviderDefinitionSource;

/** A compiled provider: the example with some fields replaced. */
export function exampleProvider(changes: Partial<ProviderDefinitionSource> = {}): Provider {
  return compileProvider(providerDefinitionSchema.parse({ ...exampleSource, ...changes }));
}

const FACTS = { seenBefore: true, ageMs: 10_000, nowMs: Date.parse("2026-01-01T00:00:00Z") };

/** What an answer means to the example provider. */
export function observe(
  status: number,
  body: string | Buffer | object,
  given: {
    readonly changes?: Partial<ProviderDefinitionSource>;
    readonly headers?: HeaderValues;
    readonly facts?: Partial<AnswerFacts>;
  } = {},
): Observation {
  const isRaw = typeof body === "string" || Buffer.isBuffer(body);
  const bytes = Buffer.from(isRaw ? body : JSON.stringify(body));
  const answer = { status, headers: given.headers ?? {}, body: bytes };
  return interpretAnswer(exampleProvider(given.changes), answer, { ...FACTS, ...given.facts });
}
