import { html, raw } from "hono/html";
import type { Markup } from "../view/markup.ts";

const WIDTH = 240;
const HEIGHT = 44;
/** A value without neighbors. */
const DOT_WIDTH = 4;

/** One line of a chart; null where there is no value. */
export interface Series {
  readonly tone: "main" | "good" | "bad" | "quiet";
  readonly values: readonly (number | null)[];
  /** Filled down to the ground. */
  readonly isArea?: boolean;
}

/**
 * A small chart without axes, drawn by the server. Its lines share one scale, from 0 to their highest
 * value.
 * @param text what it shows, for those who don't see it
 */
export function sparkline(text: string, series: readonly Series[], highest?: number): Markup {
  const values = series.flatMap((one) => one.values.filter((value) => value !== null));
  const top = highest ?? Math.max(...values, 1);
  const paths = series.map(
    ({ tone, values, isArea = false }) =>
      html`<path class="${tone}${isArea ? " area" : ""}" d="${pathOf(values, top, isArea)}" />`,
  );
  return html`<svg
    class="spark"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    preserveAspectRatio="none"
    role="img"
    aria-label="${text}"
  >
    ${paths}
  </svg>`;
}

/** Where values are missing the line is broken; one alone is a dash. */
function pathOf(values: readonly (number | null)[], top: number, isArea: boolean): Markup {
  const step = WIDTH / Math.max(1, values.length - 1);
  const y = (value: number): string => (HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1);
  let path = "";
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value !== null) {
      const isAlone = !isDrawing && (values[index + 1] ?? null) === null;
      const from = isAlone ? Math.min(index * step, WIDTH - DOT_WIDTH) : index * step;
      path += `${isDrawing ? "L" : "M"}${from.toFixed(1)} ${y(value)}`;
      if (isAlone) path += `h${DOT_WIDTH}`;
    }
    isDrawing = value !== null;
  }
  return raw(isArea && path !== "" ? `${path}V${HEIGHT}H0Z` : path);
}
