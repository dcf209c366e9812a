import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { TriedRequest } from "../../providers/trial/trial-submission.ts";
import type { ProviderTrial } from "../../client/ringback.ts";
import { path } from "../../client/transport.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../frame/cli.ts";
import { type GatewayFlags, openGateway, withGateway } from "../frame/gateway.ts";
import { refusedNode } from "../frame/operator.ts";
import { type CommandRun, runCommand } from "../frame/run.ts";
import { numberFrom, pairsFrom, wholeNumberFrom } from "../frame/values.ts";
import { trialLines } from "../trial/trial-text.ts";

interface TryFlags extends GatewayFlags {
  readonly ageS: number;
  readonly seenBefore: boolean;
  readonly result: boolean;
  readonly status: number;
  readonly submission?: TriedRequest;
  readonly job?: string;
  readonly connection?: string;
  readonly param?: Readonly<Record<string, string>>;
}

const AGE_S_MAX = 365 * 24 * 3600;

export const tryCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("try")))
    .description("show how a provider definition reads an answer, from a file or of a live job")
    .argument(
      "<definition>",
      "name of a built-in provider, or file of a definition; with --job any provider",
    )
    .argument(
      "[answer]",
      "file of the answer: what curl -i printed, a bare body, or a sample; - for standard input",
    )
    .action(async (definition: string, answer: string | undefined, flags: TryFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        flags.job === undefined
          ? tryFiles(definition, answer ?? null, flags, run)
          : tryJob(definition, { ...flags, job: flags.job }, run),
      );
    });
};

function options(command: Command): Command {
  return command
    .option("--age-s <n>", "the job was accepted so many seconds ago", numberFrom(0, AGE_S_MAX), 0)
    .option("--seen-before", "an earlier answer proved that the upstream knows the job", false)
    .option("--result", "the answer is that of the second request, for the result", false)
    .option(
      "--submission <request>",
      'the answer is that to a request that may submit a job, such as "POST /v1/batches"',
      requestFrom,
    )
    .option("--status <code>", "HTTP status of a bare body", wholeNumberFrom(100, 599), 200)
    .option("--job <job>", "ask the upstream about this job, once, through the gateway")
    .option("--connection <name>", "with --job: the connection to ask with")
    .option(
      "--param <name=value>",
      "with --job: what the request needs besides the job id",
      pairsFrom,
    );
}

/** A method and a path below the base URL. */
function requestFrom(text: string): TriedRequest {
  const [, method, path] = /^(POST|PUT|PATCH|DELETE) (\/[^\s?#]*)$/.exec(text.trim()) ?? [];
  if (method === undefined || path === undefined) {
    throw new InvalidArgumentError('Give a method and a path, such as "POST /v1/batches".');
  }
  return { method, path, headers: {} };
}

async function tryFiles(
  definition: string,
  answerFile: string | null,
  { ageS, seenBefore, result, status, submission }: TryFlags,
  { cli, out }: CommandRun,
): Promise<ExitCode> {
  const tooOld = refusedNode(`try ${definition}`);
  if (tooOld !== null) throw tooOld;
  const { tryProvider } = await import("../trial/try-provider.ts");
  const { code, text, json } = await tryProvider({
    definition,
    answerFile,
    status,
    stdin: cli.stdin,
    ageMs: ageS * 1000,
    seenBefore,
    request: result ? "result" : "status",
    submission: submission ?? null,
  });
  if (out.isJson) out.printJson(json);
  else if (code === 0) out.print(text);
  else out.note(text);
  return code === 0 ? EXIT.done : EXIT.failed;
}

async function tryJob(
  definition: string,
  { job, connection, param, ...flags }: TryFlags & { readonly job: string },
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { ringback } = await openGateway(cli, flags);
  const written = await definitionIn(definition);
  const fields = {
    job_id: job,
    ...(connection !== undefined && { connection }),
    ...(param !== undefined && { params: param }),
  };
  const { value: trial, text } = await ringback.read<ProviderTrial>(
    {
      method: "POST",
      path: path`/v1/providers/${written?.name ?? definition}/try`,
      // As it is written, since parsing would round large numbers.
      bodyText:
        written === null
          ? JSON.stringify(fields)
          : `${JSON.stringify(fields).slice(0, -1)},"definition":${written.text}}`,
      isRepeatable: true,
    },
    { signal },
  );
  if (out.isJson) out.printJson(text);
  else out.print(liveLines(trial).join("\n"));
  return trial.steps === null ? EXIT.failed : EXIT.done;
}

/** Null when the text names no file, but a provider. */
async function definitionIn(
  file: string,
): Promise<{ readonly name: string; readonly text: string } | null> {
  if (!/[./\\]/.test(file)) return null;
  let text: string;
  let json: unknown;
  try {
    text = await readFile(file, "utf8");
    json = JSON.parse(text);
  } catch (error) {
    const why =
      error instanceof SyntaxError ? `It is not JSON: ${error.message}` : "It can't be read.";
    throw new CliError(`${file}: ${why}`, { hint: `ringback try ${file} checks it.` });
  }
  const { name } = { ...(json as Record<string, unknown>) };
  if (typeof name !== "string") {
    throw new CliError(`${file} has no name.`, { hint: `ringback try ${file} checks it.` });
  }
  return { name, text };
}

function liveLines({ asked, failure, steps, consequence }: ProviderTrial): string[] {
  const request = asked === null ? [] : [`${asked.method} ${asked.url}`];
  if (steps === null) return [...request, failure ?? "No answer came.", consequence];
  return [...request, ...trialLines(steps, consequence)];
}
