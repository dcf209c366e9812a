import { globSync, readFileSync } from "node:fs";
import { markdownTable, oneLine } from "./markdown.ts";

/** A constant that bounds something: its name says so, and its value is a number. */
interface Bound {
  readonly file: string;
  readonly name: string;
  readonly value: number;
  /** The comment above it. */
  readonly comment: string;
}

const NAME = /_MAX$|_MIN$|_TIMEOUT_MS$|_DEADLINE_MS$|_WITHIN_MS$|_AT_ONCE$|_INTERVAL_MS$/;
const DECLARATION =
  /^(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\n)?((?:\/\/.*\n)*)(?:export )?const ([A-Z][A-Z0-9_]*) = ([\d_.* ]+);$/gm;

/** Every bound that is a plain number or a product of numbers, by folder. */
export function boundsPage(): string {
  const bounds = globSync("src/**/*.ts")
    .sort()
    .flatMap((file) => boundsIn(file, readFileSync(file, "utf8")));
  const folders = Map.groupBy(bounds, ({ file }) => file.split("/").slice(1, -1)[0] ?? "src");
  const sections = [...folders].map(([folder, rows]) =>
    [
      `## ${folder}`,
      markdownTable(
        ["Constant", "Value", "File", "Comment in the source"],
        rows.map(({ name, value, file, comment }) => [
          `\`${name}\``,
          withUnit(name, value),
          `\`${file.replace("src/", "")}\``,
          comment,
        ]),
      ),
    ].join("\n\n"),
  );
  return [
    "# Bounds",
    "Every queue, body, wait and retry has a limit. These are the constants in the source that set one. How " +
      "shared limits are divided is described in [architecture](../architecture.md#budgets-and-turns), and the limits " +
      "of projects, which an operator can change, in [limits of projects](../project-limits.md).",
    ...sections,
  ].join("\n\n");
}

function boundsIn(file: string, source: string): Bound[] {
  return [...source.matchAll(DECLARATION)]
    .filter(([, , , name = ""]) => NAME.test(name))
    .map(([, block = "", lines = "", name = "", value = ""]) => ({
      file,
      name,
      value: valueOf(value),
      comment: withoutMarkup(block.replaceAll(/^ ?\*/gm, "") + lines.replaceAll(/^\/\//gm, "")),
    }));
}

function withoutMarkup(comment: string): string {
  return oneLine(comment)
    .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    .replaceAll("*", "\\*");
}

/** A number, or a product of numbers and powers. */
function valueOf(expression: string): number {
  return expression
    .replaceAll("_", "")
    .split(/(?<!\*)\*(?!\*)/)
    .map((factor) => {
      const [base = 0, exponent = 1] = factor.split("**").map(Number);
      return base ** exponent;
    })
    .reduce((product, factor) => product * factor, 1);
}

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;

/** With the unit that the name ends in. */
function withUnit(name: string, value: number): string {
  const isBytes = /BYTES/.test(name);
  if (isBytes && value >= 1024 && value % 1024 === 0) {
    return value % 2 ** 20 === 0 ? `${value / 2 ** 20} MiB` : `${value / 1024} KiB`;
  }
  const number = String(value).replace(/^\d+/, (digits) => digits.replaceAll(GROUPS, ","));
  if (isBytes) return `${number} bytes`;
  if (/_MS(_|$)/.test(name)) return `${number} ms`;
  return /_S(_|$)/.test(name) ? `${number} s` : number;
}
