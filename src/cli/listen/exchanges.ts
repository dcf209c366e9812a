import { sliceRawJson } from "../../core/json/raw-json.ts";
import { type Output, shown } from "../frame/output.ts";
import type { InboxMessage } from "../../client/ringback.ts";
import type { ForwardOutcome } from "./forward.ts";

/** A message that was forwarded, with what came of it. */
export interface ForwardedMessage {
  readonly inbox: string;
  /** The cursor in front of the message. */
  readonly before: string;
  readonly message: InboxMessage;
  readonly url: string;
  readonly outcome: ForwardOutcome;
  /** By a person's wish, or because the gateway has put it into the inbox once more. */
  readonly isRepeated: boolean;
}

/** The subject of a message. */
export function subjectOf({ body }: Pick<InboxMessage, "body">): {
  readonly type: string;
  readonly jobId: string | null;
} {
  const text = (...path: string[]): string | null => {
    const raw = sliceRawJson(body, path);
    return raw?.startsWith('"') === true ? (JSON.parse(raw) as string) : null;
  };
  return { type: text("type") ?? "unknown", jobId: text("data", "job_id") };
}

/** Prints one exchange in a line. */
export function printExchange(exchange: ForwardedMessage, out: Output, showsUrl: boolean): void {
  const { inbox, message, url, outcome, isRepeated } = exchange;
  const { type, jobId } = subjectOf(message);
  const at = new Date().toISOString();
  if (out.isJson) {
    const answer =
      outcome.status === null
        ? { status: null, error: outcome.error }
        : { status: outcome.status, error: null };
    const { webhook_id: id } = message;
    const about = { at, inbox, webhook_id: id, type, job_id: jobId, url, is_repeated: isRepeated };
    return out.printJson({ ...about, ...answer, duration_ms: outcome.durationMs });
  }
  const shownOutcome =
    outcome.status === null
      ? out.paint("red", outcome.error)
      : out.paint(isTaken(outcome.status) ? "green" : "red", String(outcome.status));
  const parts = [
    out.paint("dim", at.slice(11, 19)),
    shown(type),
    ...(jobId === null ? [] : [shown(jobId)]),
    ...(showsUrl ? [`→ ${url}`] : ["→"]),
    shownOutcome,
    `${outcome.durationMs} ms`,
    out.paint("dim", message.webhook_id),
    ...(isRepeated ? ["(again)"] : []),
  ];
  out.print(parts.join("  "));
}

/** The whole of an exchange, for a person. */
export function printDetails({ message, url, outcome }: ForwardedMessage, out: Output): void {
  const headers = Object.entries(message.headers).map(([name, value]) => `${name}: ${value}`);
  const answer = outcome.status === null ? outcome.error : `${outcome.status}\n${outcome.excerpt}`;
  out.print(
    [`POST ${url}`, ...headers.map(shown), "", shown(message.body), "", shown(answer)].join("\n"),
  );
}

function isTaken(status: number): boolean {
  return status >= 200 && status <= 299;
}
