import { isMet, type Figure } from "./figure.ts";

/** The figures of one scenario. */
export interface Outcome {
  readonly scenario: string;
  readonly figures: readonly Figure[];
}

/** For programs: JSON, a line for each figure. */
export function formatLines({ scenario, figures }: Outcome): string {
  return figures.map((each) => JSON.stringify(toLine(scenario, each))).join("\n");
}

/** A table for people. */
export function formatTable({ scenario, figures }: Outcome): string {
  const rows = figures.map((each) => [
    scenario,
    each.figure,
    formatValue(each.value),
    each.unit,
    `${describeTarget(each)}${isMet(each) ? "" : " MISSED"}`,
  ]);
  const table = alignColumns([["scenario", "figure", "value", "unit", "target"], ...rows]);
  return `\n${table.join("\n")}\n`;
}

/** `≥ 0.9`, or empty. */
export function describeTarget({ target }: Figure): string {
  if (target === null) return "";
  return `${target.kind === "at_least" ? "≥" : "≤"} ${target.value.toLocaleString("en", { maximumFractionDigits: 6 })}`;
}

/** With commas between the thousands. */
export function formatValue(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 6 });
}

/**
 * To three significant digits, or a whole number above a hundred. The rounded figure is also the one
 * compared with the target, so that nothing reads `0.95` and misses 0.95.
 */
export function roundFigure(each: Figure): Figure {
  const { value } = each;
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return { ...each, value: rounded };
}

function toLine(scenario: string, each: Figure): object {
  const { figure, value, unit, target } = each;
  return {
    scenario,
    figure,
    value,
    unit,
    target: target?.value ?? null,
    ok: target === null ? null : isMet(each),
  };
}

const VALUE_COLUMN = 2;

function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widthOf = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = rows[0]?.map((_, column) => widthOf(column)) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === VALUE_COLUMN ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
