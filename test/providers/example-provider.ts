import type { Observation } from "../../src/core/job/observation.ts";
import type { HeaderValues } from "../../src/core/job/retry-after.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import {
  type AnswerFacts,
  interpretAnswer,
  type Interpretation,
} from "../../src/providers/answer/interpret.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";
import { readDefinition } from "../../src/providers/compile/read-definition.ts";

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
  extract: { status: ["/status"], error: ["/error"] },
  result: { kind: "inline", at: ["/output"] },
  schedule: { kind: "fixed", interval_s: 2 },
  limits: { concurrency: 4 },
  deadline_s: 3600,
  deadline_s_max: 7200,
} as const satisfies ProviderDefinitionSource;

/** A compiled provider: the example with some fields replaced. */
export function exampleProvider(changes: Partial<ProviderDefinitionSource> = {}): Provider {
  return providerOf({ ...exampleSource, ...changes });
}

/** The provider that a definition makes; throws when it is refused. */
function providerOf(source: ProviderDefinitionSource): Provider {
  const reading = readDefinition(source);
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return reading.provider;
}

const FACTS = { seenBefore: true, ageMs: 10_000, nowMs: Date.parse("2026-01-01T00:00:00Z") };

/** Interprets an answer with the example provider. */
export function observe(
  status: number,
  body: string | Buffer | object,
  given: {
    readonly changes?: Partial<ProviderDefinitionSource>;
    readonly headers?: HeaderValues;
    readonly facts?: Partial<AnswerFacts>;
  } = {},
): Observation {
  const interpretation = interpret(status, body, given);
  if (interpretation.kind === "result_wanted") throw new Error("no observation yet");
  return interpretation;
}

/** The same, which may be that the result is to be asked for. */
export function interpret(
  status: number,
  body: string | Buffer | object,
  given: {
    readonly changes?: Partial<ProviderDefinitionSource>;
    readonly headers?: HeaderValues;
    readonly facts?: Partial<AnswerFacts>;
  } = {},
): Interpretation {
  const isRaw = typeof body === "string" || Buffer.isBuffer(body);
  const bytes = Buffer.from(isRaw ? body : JSON.stringify(body));
  const answer = { status, headers: given.headers ?? {}, body: bytes };
  return interpretAnswer(exampleProvider(given.changes), answer, { ...FACTS, ...given.facts });
}
