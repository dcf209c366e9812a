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
