import { html, raw } from "hono/html";
import type { StatsHistory } from "../../api/models.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { duration, time } from "../view/time.ts";

interface Chart {
  readonly title: string;
  readonly value: string;
  readonly note: string;
  readonly series: readonly Series[];
  readonly highest?: number;
}

/** The last day as small charts, each with its sum. */
export function historyCharts(history: StatsHistory): Markup {
  const { total, from } = history;
  const isEmpty = total.endings === 0 && total.delivered === 0 && total.failed_attempts === 0;
  if (isEmpty) {
    return html`<p class="quiet">
      No job ended and no callback was sent in the last 24 hours. Charts of both appear here.
    </p>`;
  }
  const charts = [endings(history), attempts(history), success(history), took(history)];
  return html`<dl class="charts">
      ${charts.map(
        ({ title, value, note, series, highest }) =>
          html`<div>
            <dt>${title}</dt>
            <dd>
              <strong>${value}</strong>
              ${note === "" ? NOTHING : html`<span class="quiet">${note}</span>`}
              ${sparkline(`${title}, last 24 hours: ${value} ${note}`, series, highest)}
            </dd>
          </div>`,
      )}
    </dl>
    <p class="quiet span"><span>${time(from)}</span> <span>now</span></p>`;
}

function endings({ total, points }: StatsHistory): Chart {
  const { endings: all, completed } = total;
  return {
    title: "Endings",
    value: shown(all),
    note: all === completed ? "" : `${shown(all - completed)} did not complete`,
    series: seen([
      { tone: "main", values: points.map((point) => point.endings), isArea: true },
      { tone: "bad", values: points.map((point) => point.endings - point.completed || null) },
    ]),
  };
}

function attempts({ total, points }: StatsHistory): Chart {
  const { delivered, failed_attempts: failed } = total;
  return {
    title: "Callbacks delivered",
    value: shown(delivered),
    note: failed === 0 ? "" : `${shown(failed)} failed ${failed === 1 ? "attempt" : "attempts"}`,
    series: seen([
      { tone: "good", values: points.map((point) => point.delivered), isArea: true },
      { tone: "bad", values: points.map((point) => point.failed_attempts || null) },
    ]),
  };
}

function success({ total, points }: StatsHistory): Chart {
  const { success_rate: rate, exhausted, gone } = total;
  const lost = exhausted + gone;
  return {
    title: "Success rate",
    value: rate === null ? "–" : percent(rate),
    note: lost === 0 ? "" : `${shown(lost)} given up`,
    highest: 1,
    series: [
      {
        tone: lost === 0 ? "good" : "bad",
        values: points.map(({ delivered, exhausted, gone }) => {
          const finished = delivered + exhausted + gone;
          return finished === 0 ? null : delivered / finished;
        }),
      },
    ],
  };
}

function took({ total, points }: StatsHistory): Chart {
  const { ending_to_callback_p50_ms: half, ending_to_callback_p95_ms: most } = total;
  return {
    title: "Ending to callback",
    value: half === null ? "–" : duration(half),
    note: most === null ? "" : `p50; p95 ${duration(most)}`,
    series: [
      { tone: "quiet", values: points.map((point) => point.ending_to_callback_p95_ms) },
      { tone: "main", values: points.map((point) => point.ending_to_callback_p50_ms) },
    ],
  };
}

/** Without lines that are 0 all the time. */
function seen(series: readonly Series[]): readonly Series[] {
  return series.filter(({ values }) => values.some((value) => value !== null && value > 0));
}

/** Not rounded up to 100 % while anything was lost. */
function percent(rate: number): string {
  return `${(Math.floor(rate * 1000) / 10).toFixed(1)} %`;
}

function shown(count: number): string {
  return count.toLocaleString("en-US");
}

const WIDTH = 240;
const HEIGHT = 44;
/** A value without neighbors. */
const DOT_WIDTH = 4;

/** One line of a chart; null where there is no value. */
interface Series {
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
function sparkline(text: string, series: readonly Series[], highest?: number): Markup {
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
