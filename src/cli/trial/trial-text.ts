import type { AnswerExplanation } from "../../providers/trial/explain.ts";

/** A trial step by step, for a person: how an answer was read, as the API and a trial of files have it. */
export function trialLines(
  trial: Omit<AnswerExplanation, "observation"> & {
    readonly observation: Readonly<Record<string, unknown>>;
  },
  consequence: string,
): string[] {
  const { http_status: status, body, rules, extracted, steps, observation } = trial;
  const content = body.is_json ? "JSON" : `not read as JSON: ${body.why}`;
  return [
    `HTTP ${status}, ${body.bytes} bytes, ${content}`,
    "",
    "Rules, in order:",
    ...rules.map(({ rule, observe, outcome, why, note }) => {
      const verdict = { matched: "MATCHES", did_not_match: "no", not_tried: "not tried" }[outcome];
      const more = [why, note].filter((text) => text !== null && text !== undefined);
      return `  ${rule} (${observe}): ${[verdict, ...more].join("; ")}`;
    }),
    ...(trial.decided_by === null ? ["  No rule matches: HTTP's own meaning holds."] : []),
    "",
    "Found:",
    ...extracted.map(({ field, found_at: at, value }) =>
      at === null ? `  ${field}: nothing` : `  ${field} at ${at === "" ? "the top" : at}: ${value}`,
    ),
    "",
    `${steps.used} of ${steps.max} steps taken to read it.`,
    ...observationLines(observation),
    consequence,
  ];
}

function observationLines(observation: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(observation).flatMap(([name, value]) => {
    if (value === null) return [];
    return [`${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`];
  });
}
