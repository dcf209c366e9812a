import type { Provider } from "../compile/provider.ts";
import { judge } from "../compile/rules.ts";
import { readBody, type UpstreamResponse } from "../language/read-body.ts";

/** Each sends a GET on to another URL (RFC 9110, 15.4). */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Which redirects are followed, for a person who looks at one that was not. */
export const REDIRECTS_FOLLOWED =
  "Only the redirect of a GET is followed, to the same host or to an allowed one.";

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/** Whether the definition says itself what such an answer means, so that it is not followed. */
export function hasMeaning(
  { answers }: Provider,
  question: "status" | "result",
  answer: UpstreamResponse,
  remembered: string | null = null,
): boolean {
  if (question === "status") {
    const body = readBody(answer, undefined, answers.format);
    return judge(answers.rules, answer, body, remembered) !== null;
  }
  if (answers.result.kind !== "request") return true;
  const { rules, otherwiseOn } = answers.result.answers;
  return otherwiseOn.includes(answer.status) || judge(rules, answer, readBody(answer)) !== null;
}
