import { readFileSync, writeFileSync } from "node:fs";
import { isMet, type Figure } from "./figure.ts";
import { describeTarget, formatValue } from "./report.ts";
import type { Results } from "./results.ts";

const PAGE = new URL("../docs/performance.md", import.meta.url);
const START = "<!-- results: written by npm run bench -->\n";
const END = "<!-- end of results -->\n";

/** Puts all figures into docs/performance.md, in place of those that stand there. */
export function documentResults(results: Results): void {
  const page = readFileSync(PAGE, "utf8");
  const start = page.indexOf(START);
  const end = page.indexOf(END, start);
  if (start === -1 || end === -1) throw new Error("docs/performance.md has no place for results.");
  const before = page.slice(0, start + START.length);
  writeFileSync(PAGE, `${before}\n${describe(results)}\n${page.slice(end)}`);
}

function describe({ date, machine, versions, scenarios }: Results): string {
  const { cpu, cores, memory_gib, system } = machine;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date}: ${cpu}, ${cores} cores, ${memory_gib} GiB, ${system}; ${used.join(", ")}.`,
    ...Object.entries(scenarios).flatMap(([name, { title, commit, figures }]) => [
      `### ${name}`,
      `${title} (commit ${commit ?? "unknown"})`,
      tableOf(figures),
    ]),
  ]
    .map((block) => `${block}\n`)
    .join("\n");
}

/** As the formatter would write it. */
function tableOf(figures: readonly Figure[]): string {
  const rows = [
    ["figure", "value", "unit", "target"],
    ...figures.map((each) => [
      `\`${each.figure}\``,
      formatValue(each.value),
      each.unit,
      each.target === null ? "" : `${describeTarget(each)}${isMet(each) ? "" : ", missed"}`,
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 1 ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  const [head, ...body] = rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 1 ? cell.padStart(width) : cell.padEnd(width);
    }),
  );
  return [head ?? [], rule, ...body].map(line).join("\n");
}
