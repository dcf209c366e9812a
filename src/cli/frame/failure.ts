import { RingbackError } from "../../client/ringback.ts";
import { ResultUnavailableError } from "../../receiver/receiver.ts";
import { CliError, EXIT, type ExitCode } from "./cli.ts";
import { shown } from "./output.ts";

/** A failure, in a form for people and one for programs. */
export interface Failure {
  readonly message: string;
  readonly hint: string | null;
  readonly code: string;
  readonly exitCode: ExitCode;
}

/** Explains anything that a command may fail with. Only a bug of this program shows its kind. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) {
    const { message, hint, exitCode } = error;
    return { message, hint, code: codeOf(exitCode), exitCode };
  }
  if (error instanceof RingbackError) return gatewayFailure(error);
  if (error instanceof ResultUnavailableError || error instanceof TypeError) {
    return { message: error.message, hint: null, code: "failed", exitCode: EXIT.failed };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    message: shown(message),
    hint: "This is not expected; please report it with the command that was run.",
    code: "unexpected",
    exitCode: EXIT.failed,
  };
}

function gatewayFailure(error: RingbackError): Failure {
  const { code, requestId } = error;
  // The message has the first of them.
  const others = error.errors.filter(({ detail }) => !error.message.includes(detail));
  const parts = others.map((part) => {
    const place = part.pointer ?? part.parameter ?? part.header ?? "";
    return `  ${place === "" ? "" : `${place}: `}${part.detail}`;
  });
  const message = shown([error.message, ...parts].join("\n"));
  const exitCode = exitCodeOf(error);
  const hint = hintOf(error, exitCode);
  const trace = exitCode === EXIT.failed && requestId !== null ? `Request id: ${requestId}` : null;
  return { message, hint: hint ?? trace, code, exitCode };
}

function exitCodeOf({ status, code }: RingbackError): ExitCode {
  if (code === "wait_timed_out") return EXIT.timedOut;
  if (code === "not_watched" || status === 404) return EXIT.notFound;
  if (status === 401 || status === 403) return EXIT.unauthorized;
  if (status === null || status === 429 || status >= 500) return EXIT.unreachable;
  return EXIT.failed;
}

function hintOf({ code, status }: RingbackError, exitCode: ExitCode): string | null {
  if (code === "unexpected_answer") return ADDRESS_HINT;
  switch (exitCode) {
    case EXIT.unreachable:
      return status === null
        ? ADDRESS_HINT
        : "The gateway is busy or not ready; try again in a moment.";
    case EXIT.unauthorized:
      return status === 403
        ? "The API key lacks the scope for this; ringback key create makes another one."
        : "Check RINGBACK_API_KEY or the profile; ringback login saves a key.";
    case EXIT.notFound:
      return code === "not_watched" ? "Subscribe to it first: ringback subscribe <job>." : null;
    case EXIT.failed:
      return REFUSAL_HINTS[code] ?? null;
    case EXIT.done:
    case EXIT.notCompleted:
    case EXIT.timedOut:
    case EXIT.interrupted:
      return null;
  }
}

/** The message says what to check about the address. */
const ADDRESS_HINT = "The address comes from --url, RINGBACK_URL or the profile.";

/** Hints for a terminal, where the response is written for requests or names the gateway's settings. */
const REFUSAL_HINTS: Partial<Record<RingbackError["code"], string>> = {
  callback_url_refused:
    "Give a public https URL, have the operator allow this one (RINGBACK_EGRESS_ALLOW), or use --inbox and ringback listen.",
  unknown_connection:
    "Name another with --provider and --connection. See: ringback list connections, ringback list providers.",
};

function codeOf(exitCode: ExitCode): string {
  const found = Object.entries(EXIT).find(([, code]) => code === exitCode);
  return (found?.[0] ?? "failed").replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
