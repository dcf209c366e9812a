import { type Clock, fromMonotonic, toMonotonic } from "../runtime/clock.ts";
import type { ObservedAnswer } from "../polling/watch/observed-answers.ts";

/** The latest answer about a job, as its owner gives it to another node. */
type ToldStatus =
  | { readonly kind: "awaited" }
  | { readonly kind: "unavailable" }
  | ({
      readonly kind: "answer";
      /** As base64, since it may be anything. */
      readonly body: string;
      /** Epoch milliseconds, by the clock that all nodes share. */
      readonly atMs: number;
    } & Pick<ObservedAnswer, "status" | "headers" | "isEnding" | "state">);

/** As JSON. */
export function toldStatus(clock: Clock, known: ObservedAnswer | "awaited" | null): string {
  if (known === null) return JSON.stringify({ kind: "unavailable" } satisfies ToldStatus);
  if (known === "awaited") return JSON.stringify({ kind: "awaited" } satisfies ToldStatus);
  const { status, headers, body, atMs, isEnding, state } = known;
  return JSON.stringify({
    kind: "answer",
    status,
    headers,
    body: body.toString("base64"),
    atMs: fromMonotonic(clock, atMs),
    isEnding,
    state,
  } satisfies ToldStatus);
}

/** @param json written by {@link toldStatus} */
export function heardStatus(clock: Clock, json: string): ObservedAnswer | "awaited" | null {
  const told = JSON.parse(json) as ToldStatus;
  switch (told.kind) {
    case "unavailable":
      return null;
    case "awaited":
      return "awaited";
    case "answer": {
      const { status, headers, isEnding, state } = told;
      const body = Buffer.from(told.body, "base64");
      return { status, headers, body, atMs: toMonotonic(clock, told.atMs), isEnding, state };
    }
  }
}
