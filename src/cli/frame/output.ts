import { styleText } from "node:util";
import type { Cli, OutputStream } from "./cli.ts";

type Style = Parameters<typeof styleText>[0];

/** Control characters: what comes from a gateway must not steer the terminal. */
const CONTROL = /(?![\n\t])\p{Cc}/gu;
const CLEAR_LINE = "\r\u001b[K";

/** Prints a command's answer to standard output, and messages for people to standard error. */
export class Output {
  readonly isJson: boolean;
  readonly #cli: Pick<Cli, "env" | "stdout" | "stderr">;
  #progress = "";

  constructor(cli: Pick<Cli, "env" | "stdout" | "stderr">, options: { readonly isJson: boolean }) {
    this.#cli = cli;
    this.isJson = options.isJson;
  }

  /** Whether a person reads the messages on a terminal. */
  get isInteractive(): boolean {
    return this.#cli.stderr.isTTY === true;
  }

  /** One or more lines of the answer. */
  print(text: string): void {
    this.#aside(() => this.#cli.stdout.write(`${text}\n`));
  }

  /** One JSON document on a line of its own. A text is JSON already, and keeps its digits. */
  printJson(value: object | string): void {
    const text = typeof value === "string" ? onOneLine(value) : JSON.stringify(value);
    this.#aside(() => this.#cli.stdout.write(`${text}\n`));
  }

  /** A message for people. */
  note(text: string): void {
    this.#aside(() => this.#cli.stderr.write(`${text}\n`));
  }

  /** Shows what goes on, on a terminal alone; the next call replaces it, and null takes it away. */
  progress(text: string | null): void {
    if (!this.isInteractive || this.isJson) return;
    this.#progress = text ?? "";
    this.#cli.stderr.write(`${CLEAR_LINE}${this.#progress.slice(0, this.#columns() - 1)}`);
  }

  /** Colors a part of the answer, on a terminal alone. */
  paint(style: Style, text: string): string {
    return painted(this.#cli.stdout, this.#cli.env, style, text);
  }

  /** Colors a part of a message, on a terminal alone. */
  paintNote(style: Style, text: string): string {
    return painted(this.#cli.stderr, this.#cli.env, style, text);
  }

  /** Resolves once everything that was printed is passed on. */
  async flush(): Promise<void> {
    await Promise.all([passedOn(this.#cli.stdout), passedOn(this.#cli.stderr)]);
  }

  #aside(write: () => void): void {
    if (this.#progress !== "") this.#cli.stderr.write(CLEAR_LINE);
    write();
    if (this.#progress === "") return;
    this.#cli.stderr.write(this.#progress.slice(0, this.#columns() - 1));
  }

  #columns(): number {
    return this.#cli.stderr.columns ?? 80;
  }
}

/** Text of a gateway or a receiver, as it may be shown on a terminal. */
export function shown(text: string): string {
  return text.replaceAll(CONTROL, "\u{fffd}");
}

function painted(stream: OutputStream, env: Cli["env"], style: Style, text: string): string {
  const isPlain = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return stream.isTTY === true && !isPlain
    ? styleText(style, text, { validateStream: false })
    : text;
}

/** JSON has line ends between its tokens only: they can become blanks. */
function onOneLine(json: string): string {
  return json.trim().replaceAll(/[\r\n]+\s*/g, " ");
}

function passedOn(stream: OutputStream): Promise<void> {
  if (stream.errored !== null || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => void stream.write("", () => resolve()));
}

const STEP_MS = 1_000;

/** Shows on a terminal that something goes on, and for how long. */
export async function withElapsedTime<T>(
  out: Output,
  text: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const show = (): void => {
    const seconds = Math.floor((performance.now() - startedAt) / 1000);
    out.progress(`${text} … ${seconds} s`);
  };
  show();
  const timer = setInterval(show, STEP_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    out.progress(null);
  }
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/**
 * How far a moment is from another one, such as `in 5 s` or `3 min ago`. Both are the gateway's, so this
 * machine's clock does not matter.
 */
export function ago(moment: string | null, asOf: string): string {
  if (moment === null) return "at no known time";
  const ms = Date.parse(moment) - Date.parse(asOf);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(ms) >= size) ?? ["ms", 1];
  const count = Math.round(Math.abs(ms) / size);
  if (unit === "ms") return "now";
  return ms > 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
}

/** A moment to the second, in UTC: `2026-01-31 12:00:00Z`. */
export function clockTime(moment: string): string {
  return `${moment.slice(0, 19).replace("T", " ")}Z`;
}

/** Formats rows of cells as aligned columns, two blanks apart; the first row is the heading. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)))
    .map((cells) => cells.join("  ").trimEnd())
    .join("\n");
}
