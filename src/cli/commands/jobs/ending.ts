import type { Ending, Ringback } from "../../../client/ringback.ts";
import { sliceRawJson } from "../../../core/json/raw-json.ts";
import { EXIT, type ExitCode } from "../../frame/cli.ts";
import { type Output, shown, withElapsedTime } from "../../frame/output.ts";

/** As long as a timer can run: 24 days. */
const PATIENCE_MS = 2 ** 31 - 1;
/** The size up to which a result is shown without being requested. */
const SHOWN_CHARACTERS_MAX = 2_000;

/**
 * Waits until the job of a subscription has ended, also while its gateway is away.
 * @param options.timeoutMs null to wait as long as it takes
 */
export function waitForJob(
  {
    ringback,
    out,
    signal,
  }: {
    readonly ringback: Ringback;
    readonly out: Output;
    readonly signal: AbortSignal;
  },
  subscriptionId: string,
  { timeoutMs }: { readonly timeoutMs: number | null },
): Promise<Ending> {
  return withElapsedTime(out, "Waiting for the job to end", () =>
    ringback.wait(subscriptionId, { signal, timeoutMs: timeoutMs ?? PATIENCE_MS }),
  );
}

/**
 * Prints how a job ended, and returns the exit code that says whether it completed.
 * @param print takes the lines for people
 */
export function printEnding(
  ending: Ending,
  out: Output,
  print: (line: string) => void = (line) => out.print(line),
): ExitCode {
  const hasCompleted = ending.type === "job.completed";
  if (out.isJson) out.printJson(ending.rawBody);
  else {
    const color = hasCompleted ? "green" : "red";
    print(`${out.paint(color, ending.data.status)}  ${shown(ending.data.job_id)}`);
    for (const line of detailLines(ending)) print(line);
  }
  return hasCompleted ? EXIT.done : EXIT.notCompleted;
}

function detailLines({ data, rawBody }: Ending): string[] {
  if (data.error !== undefined) return [shown(data.error)];
  if (data.result_url !== undefined) return [`Result: ${data.result_url}`];
  const result = sliceRawJson(rawBody, ["data", "result"]);
  if (result === null) return [];
  const text = shown(result);
  if (text.length <= SHOWN_CHARACTERS_MAX) return [text];
  return [`${text.slice(0, SHOWN_CHARACTERS_MAX)} …`, "The whole of it: ringback wait --result."];
}
