import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { Ringback } from "../../../client/ringback.ts";
import { CliError, EXIT, type ExitCode, type AddCommand } from "../../frame/cli.ts";
import { findGateway, type GatewayFlags, withGateway } from "../../frame/gateway.ts";
import { type Output, shown } from "../../frame/output.ts";
import { type CommandRun, runCommand } from "../../frame/run.ts";
import { oneFrom, urlFrom } from "../../frame/values.ts";
import { csvRows } from "../../import/csv-rows.ts";
import { type ImportCounts, importRows, type RefusedLine } from "../../import/importer.ts";
import { jsonRows, type Row } from "../../import/rows.ts";

interface ImportFlags extends GatewayFlags {
  readonly format?: Format;
  readonly callbackUrl?: string;
  readonly inbox?: string;
  readonly provider?: string;
  readonly connection?: string;
  readonly dryRun?: boolean;
}

const FORMATS = ["ndjson", "csv"] as const;
type Format = (typeof FORMATS)[number];

const FORMAT_OF_ENDING: Readonly<Record<string, Format>> = {
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".csv": "csv",
};

/** An import goes on through a restart of the gateway. */
const RETRIES = 8;
const TIMEOUT_MS = 60_000;

export const importCommand: AddCommand = (parent, commands) => {
  options(withGateway(parent.command("import")))
    .description("subscribe to the jobs of a file, each once, however often it is run")
    .argument("<file>", "NDJSON or CSV, a subscription a line; - for standard input")
    .action(async (file: string, flags: ImportFlags) => {
      commands.exitCode = await runCommand(commands.cli, flags, (run) =>
        importFile(file, flags, run),
      );
    });
};

function options(command: Command): Command {
  return command
    .option("--format <format>", `${FORMATS.join(" or ")} (by the file's name)`, oneFrom(FORMATS))
    .option("--callback-url <url>", "for lines that name no callback_url and no inbox", urlFrom)
    .option("--inbox <name>", "for lines that name no callback_url and no inbox")
    .option("--provider <name>", "for lines that name none")
    .option("--connection <name>", "for lines that name none")
    .option("--dry-run", "have the gateway check every line, and store none");
}

async function importFile(
  file: string,
  flags: ImportFlags,
  { cli, out, signal }: CommandRun,
): Promise<ExitCode> {
  const { callbackUrl, inbox, provider, connection, dryRun: isDryRun = false } = flags;
  if (callbackUrl !== undefined && inbox !== undefined) {
    throw new CliError("Give either --callback-url or --inbox.", {});
  }
  const format = formatOf(file, flags);
  const access = await findGateway(cli, flags);
  const input: Readable = file === "-" ? cli.stdin : await openFile(file);
  const progress = new Progress(out, isDryRun);
  progress.show();
  // It may wait for input that never comes.
  addAbortSignal(signal, input);
  try {
    const counts = await importRows(rowsOf(input, format), {
      ringback: new Ringback({ ...access, retries: RETRIES, timeoutMs: TIMEOUT_MS }),
      defaults: {
        ...(callbackUrl !== undefined && { callback_url: callbackUrl }),
        ...(inbox !== undefined && { inbox }),
        ...(provider !== undefined && { provider }),
        ...(connection !== undefined && { connection }),
      },
      isDryRun,
      signal,
      sleep: (ms, aborted) => sleep(ms, undefined, { signal: aborted }),
      onRefused: (refused) => printRefused(refused, out),
      onProgress: (counted) => progress.show(counted),
    });
    out.progress(null);
    printSummary(counts, isDryRun, out);
    return counts.refused === 0 ? EXIT.done : EXIT.failed;
  } catch (error) {
    out.progress(null);
    progress.noteStop(signal.aborted);
    throw error;
  } finally {
    if (input !== cli.stdin) input.destroy();
  }
}

function formatOf(file: string, { format }: ImportFlags): Format {
  const found = format ?? (file === "-" ? "ndjson" : FORMAT_OF_ENDING[extname(file).toLowerCase()]);
  if (found !== undefined) return found;
  throw new CliError(`The name of ${file} does not say what is in it.`, {
    hint: "Give --format ndjson (a JSON object a line) or --format csv.",
  });
}

async function openFile(file: string): Promise<Readable> {
  const isFile = await stat(file).then(
    (found) => !found.isDirectory(),
    () => null,
  );
  if (isFile === true) return createReadStream(file);
  throw new CliError(
    isFile === false ? `${file} is a folder.` : `There is no file ${file}, or it can't be read.`,
    {},
  );
}

function rowsOf(input: Readable, format: Format): AsyncIterable<Row> {
  switch (format) {
    case "csv":
      return csvRows(input);
    case "ndjson":
      return jsonRows(bytesOf(input));
  }
}

async function* bytesOf(input: Readable): AsyncGenerator<Uint8Array> {
  for await (const chunk of input as AsyncIterable<Uint8Array | string>) {
    yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  }
}

/** How far the file is read, for a person who waits, or whose import has stopped. */
class Progress {
  readonly #out: Output;
  readonly #isDryRun: boolean;
  #counts: ImportCounts = { lines: 0, subscribed: 0, alreadySubscribed: 0, refused: 0 };

  constructor(out: Output, isDryRun: boolean) {
    this.#out = out;
    this.#isDryRun = isDryRun;
  }

  show(counts: ImportCounts = this.#counts): void {
    this.#counts = counts;
    const verb = this.#isDryRun ? "checked" : "imported";
    this.#out.progress(`${counts.lines} lines ${verb}, ${counts.refused} of them refused …`);
  }

  /** Says how to go on, unless the command failed before anything could be stored. */
  noteStop(isInterrupted: boolean): void {
    if (this.#counts.lines === 0 && !isInterrupted) return;
    const remedy = "Run the same command again within 24 hours: no line is subscribed twice.";
    const stopped = `Stopped after ${this.#counts.lines} lines.`;
    this.#out.note(this.#isDryRun ? stopped : `${stopped} ${remedy}`);
  }
}

function printRefused(refused: RefusedLine, out: Output): void {
  if (out.isJson) return out.printJson(refused);
  const { line, code, detail, errors } = refused;
  const others = errors.filter((part) => !detail.includes(part.detail));
  const parts = others.map((part) => `; ${part.pointer ? `${part.pointer}: ` : ""}${part.detail}`);
  out.print(shown(`line ${line}  ${code}  ${detail}${parts.join("")}`));
}

function printSummary(counts: ImportCounts, isDryRun: boolean, out: Output): void {
  const { lines, subscribed, alreadySubscribed, refused } = counts;
  if (out.isJson) {
    return out.printJson({
      lines,
      subscribed,
      already_subscribed: alreadySubscribed,
      refused,
      dry_run: isDryRun,
    });
  }
  const made = isDryRun ? "would be accepted" : "subscribed";
  const before = isDryRun ? "" : `, ${alreadySubscribed} subscribed before`;
  out.print(`${lines} lines: ${subscribed} ${made}${before}, ${refused} refused.`);
}
