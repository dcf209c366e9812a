import { readdirSync, readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { expect, test } from "vitest";

/*
 * Comments, test titles and descriptions name their subject first, and the words that the house does
 * not use stay out. CONTRIBUTING.md has the rule.
 */

const PROJECT = resolve(import.meta.dirname, "..");

/** Folders and files whose texts are written here. The changelog and `drizzle/` are not edited afterwards. */
const PLACES = [
  "src",
  "test",
  "bench",
  "examples",
  "tools",
  "docs",
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
];

/** Installed or built, so not tracked. */
const UNTRACKED = /(?:^|\/)(?:node_modules|dist|target|build|__pycache__|\.[^/]+)\//;

/** Texts that are not the house's own. */
const FOREIGN = [
  // This file quotes the words that it forbids.
  /^test\/plain-english\.test\.ts$/,
  // Quote the responses of upstreams.
  /\.fixtures\.ts$/,
  /\/fixtures\//,
  // Bundles of other people's code.
  /^src\/api\/docs\/reference\.js/,
  /package-lock\.json$/,
];

const TEXT_FILES =
  /\.(?:ts|mts|js|mjs|cjs|json|jsonc|md|css|sql|sh|py|yml|yaml|toml|go|rs|rb|php|java|svg|txt)$/;

/** Openings that hide the subject of a sentence. */
const OPENING = "(?:What|Of|Whoever|Nobody)\\b";

/** Comments after `//`, `/*`, a leading `*` and, in SQL, a leading `--`. */
const C_COMMENT = new RegExp(
  `(?:(?:^|\\s)//+|/\\*+|^\\s*\\*|^\\s*--)\\s+(?:.*[.!?:;]\\s)?${OPENING}`,
  "gm",
);

const HASH_COMMENT = new RegExp(`(?:^|\\s)#+\\s+(?:.*[.!?:;]\\s)?${OPENING}`, "gm");

const HASH_COMMENTED = [".py", ".rb", ".sh", ".yml", ".yaml", ".toml"];
const C_COMMENTED = [".css", ".sql", ".go", ".rs", ".php", ".java"];
const PROGRAMS = [".ts", ".mts", ".js", ".mjs", ".cjs"];

/** Titles of `test`, `it` and `describe`, also after the table of `each`, and the `title` of a case. */
const TITLE =
  /(?:\b(?:test|it|describe)(?:\.\w+)*(?:<.*>)?\((?:.*\)\()?|^\s*\]?\)\(|\btitle:)\s*["'`](?:what|of|whoever|nobody)\b/gim;

/** Texts that users read in the API's description, the command line and the metrics. */
const DESCRIPTION = new RegExp(
  `\\b(?:description|summary|detail|hint|help|question|counts):\\s*["'\`]${OPENING}|\\bdescribe\\(["'\`]${OPENING}`,
  "gm",
);

const WORD =
  /\b(?:whoever|anew|nobody|tells? of|told of|for ever|meanwhile|under ?way|stands(?! for\b| still\b)|standing(?! for\b))\b/gi;

/** @param reason why the word is right there */
interface Exception {
  readonly file: string;
  readonly line: RegExp;
  readonly reason: string;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    file: "src/embedded-postgres/account.ts",
    line: /"nobody"|`nobody`/,
    reason: "the Unix account",
  },
  {
    file: "docs/decisions/embedded-postgres.md",
    line: /`nobody`/,
    reason: "the Unix account",
  },
];

test("comments, test titles and descriptions name their subject first, in plain words", () => {
  const files = PLACES.flatMap(filesIn).filter(isOurs);
  expect(files.length).toBeGreaterThan(1_000);
  expect(files.flatMap((file) => breachesIn(file, textOf(file)))).toEqual([]);
});

test.each(EXCEPTIONS)("the exception for $reason in $file is used", ({ file, line }) => {
  expect(textOf(file)).toMatch(line);
});

test.each([
  ["src/a.ts", "// What a job does."],
  ["src/a.ts", "const a = 1; // Of one project."],
  ["src/a.ts", "/** Nobody waits. */"],
  ["src/a.ts", "/* Whoever waits. */"],
  ["src/a.ts", "/**\n * What a job does.\n */"],
  ["src/a.ts", "/**\n * Reads a job. Of its events only the newest.\n */"],
  ["src/a.ts", "select 1\n-- Of these, one.\n"],
  ["src/a.sql", "-- What is pending.\n"],
  ["src/a.css", "/* What links look like. */"],
  ["examples/a.go", "// What comes."],
  ["examples/a.py", "# Of the callback."],
  ["docs/a.yml", "a: 1 # What is counted."],
  ["test/a.test.ts", 'test("what is sent is shown", () => {});'],
  ["test/a.test.ts", 'describe.concurrent("of two nodes", () => {});'],
  ["test/a.test.ts", 'it.each([1])(\n  "of %i",\n  () => {},\n);'],
  ["test/a.test.ts", 'test.each([\n  1,\n])("what %i is", () => {});'],
  ["test/a.ts", '{ title: "of two members one counts" }'],
  ["src/a.ts", 'z.string().describe("What it counts.")'],
  ["src/a.ts", 'const a = { description:\n  "What the project uses." };'],
  ["src/a.ts", "const answer = 'Send it to whoever asks.';"],
  ["docs/a.md", "Each is read anew."],
  ["docs/a.md", "It lasts for ever."],
  ["docs/a.md", "The log tells of it."],
  ["README.md", "It lets nobody in."],
  ["src/a.ts", "// Read meanwhile by others."],
  ["src/a.ts", "const underWay = 1;"],
  ["src/a.ts", "// An upload is under way."],
  ["docs/a.md", "It is taken as it stands."],
  ["docs/decisions/embedded-postgres.md", "Nobody can read it."],
])("%s with %j is a breach", (file, text) => {
  expect(breachesIn(file, text)).toHaveLength(1);
});

test.each([
  ["src/a.ts", "// Reads what the job sent."],
  ["src/a.ts", 'const url = "https://example.com/What";'],
  ["src/a.ts", "/** Often used. Whatever comes. */"],
  ["docs/a.md", "`*` stands for one label."],
  ["docs/a.md", "## What to do\n\n- What it costs"],
  ["docs/decisions/embedded-postgres.md", "or as `nobody`, the account"],
])("%s with %j is none", (file, text) => {
  expect(breachesIn(file, text)).toEqual([]);
});

test("a breach names its file and line", () => {
  expect(breachesIn("src/a.ts", "const a = 1;\n\n// What a is.\n")).toEqual([
    "src/a.ts:3: // What a is.",
  ]);
});

/** @param place a folder or file of the project */
function filesIn(place: string): string[] {
  if (extname(place) !== "") return [place];
  return readdirSync(join(PROJECT, place), { recursive: true, encoding: "utf8" })
    .map((file) => `${place}/${file.replaceAll("\\", "/")}`)
    .filter((file) => TEXT_FILES.test(file) && !UNTRACKED.test(file));
}

function isOurs(file: string): boolean {
  return !FOREIGN.some((pattern) => pattern.test(file));
}

function textOf(file: string): string {
  return readFileSync(join(PROJECT, file), "utf8");
}

/** @returns each line with a breach once, as `file:line: text` */
function breachesIn(file: string, text: string): string[] {
  const lines = text.split("\n");
  const numbers = patternsFor(file).flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => lineOfEnd(text, match)),
  );
  return [...new Set(numbers)]
    .sort((a, b) => a - b)
    .map((number) => ({ number, line: lines[number - 1] ?? "" }))
    .filter(({ line }) => !isExcepted(file, line))
    .map(({ number, line }) => `${file}:${number}: ${line.trim()}`);
}

function patternsFor(file: string): readonly RegExp[] {
  const ending = extname(file);
  if (HASH_COMMENTED.includes(ending)) return [WORD, HASH_COMMENT];
  if (C_COMMENTED.includes(ending)) return [WORD, C_COMMENT];
  if (PROGRAMS.includes(ending)) return [WORD, C_COMMENT, TITLE, DESCRIPTION];
  return [WORD];
}

/** A match may begin on an earlier line than the words that make it one. */
function lineOfEnd(text: string, match: RegExpExecArray): number {
  return text.slice(0, match.index + match[0].length).split("\n").length;
}

function isExcepted(file: string, line: string): boolean {
  return EXCEPTIONS.some((each) => each.file === file && each.line.test(line));
}
