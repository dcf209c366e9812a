import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";

const PROJECT = resolve(import.meta.dirname, "../..");

/** One block of commands in a guide, and the output that the guide shows right below it. */
export interface GuideStep {
  readonly commands: string;
  readonly shown: { readonly language: "json" | "text"; readonly text: string } | null;
}

/**
 * The blocks of commands (`sh`), in order; output is shown in a block of `json` or `text`. A program, as
 * {@link programsOf} finds it, is a step too: the reader saves it.
 */
export function stepsOf(markdown: string): GuideStep[] {
  const blocks = /^```(sh|js|ts)\n([^]*?)^```\n(?:\n*^```(json|text)\n([^]*?)^```$)?/gm;
  return [...markdown.matchAll(blocks)].flatMap(([, kind, code = "", language, text = ""]) => {
    const program = kind === "sh" ? null : programIn(code);
    if (program !== null) return [{ commands: saving(program), shown: null }];
    if (kind !== "sh") return [];
    const isShown = language === "json" || language === "text";
    return [{ commands: code, shown: isShown ? { language, text } : null }];
  });
}

/** A program that a page shows, under the name that the reader saves it by. */
export interface GuideProgram {
  readonly name: string;
  readonly code: string;
}

/** The blocks of `js` or `ts` that begin with a comment that is a file's name alone. */
export function programsOf(markdown: string): GuideProgram[] {
  return [...markdown.matchAll(/^```(?:js|ts)\n([^]*?)^```$/gm)].flatMap(
    ([, code = ""]) => programIn(code) ?? [],
  );
}

/** The blocks of `js` or `ts` that are neither a program nor a file of `examples/`, which is run elsewhere. */
export function unnamedCodeIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```(?:js|ts)\n([^]*?)^```$/gm)]
    .map(([, code = ""]) => code)
    .filter((code) => programIn(code) === null && !code.startsWith("// examples/"));
}

function programIn(code: string): GuideProgram | null {
  const [, name] = /^\/\/ ([\w-]+\.(?:mjs|ts))\n/.exec(code) ?? [];
  return name === undefined ? null : { name, code };
}

function saving({ name, code }: GuideProgram): string {
  return `cat > ${name} <<'END_OF_PROGRAM'\n${code}END_OF_PROGRAM\n`;
}

/**
 * Checks the types of programs as an editor does for a user of the package.
 * @param folder a copy of the project, so that its own package is found
 * @returns what the compiler complains of
 */
export async function typeProblemsOf(
  programs: Readonly<Record<string, readonly GuideProgram[]>>,
  folder: string,
): Promise<string> {
  const root = join(folder, "guide-programs");
  for (const [page, found] of Object.entries(programs)) {
    const own = join(root, page.replaceAll(/\W/g, "-"));
    mkdirSync(own, { recursive: true });
    for (const { name, code } of found) writeFileSync(join(own, name), code);
  }
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    customConditions: ["ringback-source"],
    strict: true,
    // As the package's own source is written.
    exactOptionalPropertyTypes: true,
    checkJs: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    types: ["node"],
  };
  writeFileSync(join(root, "tsconfig.json"), JSON.stringify({ compilerOptions }));
  const tsc = spawn(process.execPath, [
    join(PROJECT, "node_modules/typescript/bin/tsc"),
    "-p",
    root,
  ]);
  const [printed] = await Promise.all([text(tsc.stdout), once(tsc, "exit")]);
  return printed;
}

/** Puts other addresses in place of those that a guide uses, in what is run and in what is shown. */
export function replaceIn(
  step: GuideStep,
  replacements: Readonly<Record<string, string>>,
): GuideStep {
  const replaced = (text: string): string =>
    Object.entries(replacements).reduce((result, [from, to]) => result.replaceAll(from, to), text);
  return {
    commands: replaced(step.commands),
    shown: step.shown && { ...step.shown, text: replaced(step.shown.text) },
  };
}

/** A folder that looks like the project, where guides may write files. */
export function openProjectCopy(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "ringback-test-guide-"));
  for (const name of readdirSync(PROJECT)) symlinkSync(join(PROJECT, name), join(path, name));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A shell that runs, with everything it has started. */
export interface GuideShell {
  /** Resolves with its exit code; null when a signal ended it. */
  readonly exit: Promise<number | null>;
  readonly output: () => string;
  /** Ends it and everything it has started. */
  end(): Promise<void>;
}

/** Runs commands in bash, in a process group of its own. */
export function startShell(
  commands: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
): GuideShell {
  const shell = spawn("bash", ["-c", commands], {
    cwd,
    env: {
      // The project's Node first, for npm too.
      PATH: `${join(PROJECT, "node_modules/.bin")}:${process.env["PATH"]}`,
      HOME: cwd,
      npm_config_update_notifier: "false",
      // The package's own source in place of what is built of it; that is run by test/package.
      NODE_OPTIONS: "--conditions=ringback-source",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  }
  const exit = once(shell, "exit").then(([code]: (number | null)[]) => code ?? null);
  return {
    exit,
    output: () => output,
    async end() {
      try {
        process.kill(-(shell.pid ?? 0), "SIGKILL");
      } catch {
        // The group is gone already.
      }
      await exit;
    },
  };
}

/** As npx runs the installed command. */
const NPX = `npx() { [ "$1" = ringback ] && node "${join(PROJECT, "src/bin.ts")}" "\${@:2}"; }`;

/**
 * Runs the steps one after the other in one shell, as a reader does, and holds what each printed
 * against what the guide shows.
 */
export async function runSteps(
  steps: readonly GuideStep[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<void> {
  const outputs = mkdtempSync(join(tmpdir(), "ringback-test-guide-output-"));
  const outputOf = (step: number): string => readFileSync(join(outputs, String(step)), "utf8");
  // Standard error goes there too, as on a terminal.
  const script = steps.map(
    ({ commands }, step) => `{\n${commands}\n} > "${join(outputs, String(step))}" 2>&1`,
  );
  const shell = startShell([NPX, "set -e", ...script].join("\n"), cwd, env);
  try {
    const hung = AbortSignal.timeout(timeoutMs);
    hung.addEventListener("abort", () => void shell.end());
    const code = await shell.exit;
    if (code !== 0) {
      const failed = readdirSync(outputs).length - 1;
      const printed = failed < 0 ? shell.output() : outputOf(failed);
      const ended = hung.aborted ? "It hung" : `Exit code ${code}`;
      throw new Error(`${ended} in:\n${steps[failed]?.commands}It printed:\n${printed}`);
    }
    for (const [step, { shown }] of steps.entries()) {
      if (shown?.language === "json") expectJson(outputOf(step), shown.text);
      if (shown?.language === "text") expectLines(outputOf(step), shown.text);
    }
  } finally {
    await shell.end();
    rmSync(outputs, { recursive: true, force: true });
  }
}

/** The last line printed is the JSON that is shown, or has more members than are shown. */
function expectJson(printed: string, shown: string): void {
  const last = printed.trimEnd().split("\n").at(-1) ?? "";
  expect(JSON.parse(last)).toEqual(shapeOf(JSON.parse(shown)));
}

/** `…` in a shown text means any characters, a number any number; there may be more than is shown. */
function shapeOf(shown: unknown): unknown {
  if (typeof shown === "number") return expect.any(Number);
  if (typeof shown === "string") return expect.stringMatching(patternOf(shown));
  if (Array.isArray(shown)) return expect.arrayContaining(shown.map(shapeOf));
  if (typeof shown !== "object" || shown === null) return shown;
  const members = Object.entries(shown).map(([name, value]) => [name, shapeOf(value)] as const);
  return expect.objectContaining(Object.fromEntries(members));
}

/** Every shown line was printed, in this order; others may lie between. */
function expectLines(printed: string, shown: string): void {
  const lines = printed.split("\n");
  let from = 0;
  for (const line of shown.trimEnd().split("\n")) {
    const at = lines.findIndex(
      (text, index) => index >= from && patternOf(line).test(text.trimEnd()),
    );
    expect(at, `"${line}" was not printed in:\n${printed}`).toBeGreaterThanOrEqual(0);
    from = at + 1;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function patternOf(shown: string): RegExp {
  return new RegExp(`^${shown.split("…").map(escaped).join("[^]*")}$`);
}
