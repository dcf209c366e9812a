import { PROBLEMS } from "../../core/error-codes.ts";
import { problem, PROBLEM_TYPE, problemJson } from "./problem.ts";

/** The response while the gateway starts. */
export function notReadyAnswer(): Response {
  const of = problem("not_ready", "The gateway is starting; try again in a second.");
  return new Response(problemJson(of, null), {
    status: PROBLEMS[of.code].status,
    headers: { "content-type": PROBLEM_TYPE, "retry-after": "1" },
  });
}
