import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { readResults, type Results } from "./results.ts";

/*
 * node bench/chart.ts bench/results/<date>.json
 *
 * Draws docs/performance.svg: what Ringback does in a second, beside the least program that could
 * do the same and beside the rivals.
 */

interface Bar {
  readonly who: string;
  readonly scenario: string;
  readonly figure: string;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const OURS = "Ringback";
const GROUPS: readonly Group[] = [
  {
    title: "Polls of 10,000 running jobs",
    bars: [
      { who: "undici in a loop", scenario: "poll", figure: "raw_polls" },
      { who: OURS, scenario: "poll", figure: "polls" },
      { who: "pg-boss", scenario: "rivals", figure: "pg_boss_polls" },
      { who: "graphile-worker", scenario: "rivals", figure: "graphile_worker_polls" },
    ],
  },
  {
    title: "Subscriptions accepted, one a request",
    bars: [
      { who: "only validated, not stored", scenario: "accept", figure: "raw_subscriptions" },
      { who: OURS, scenario: "accept", figure: "subscriptions" },
    ],
  },
  {
    title: "Subscriptions accepted, 1000 a request",
    bars: [{ who: OURS, scenario: "accept-batch", figure: "subscriptions" }],
  },
  {
    title: "Callbacks delivered and recorded",
    bars: [
      { who: "signed and sent in a loop", scenario: "deliver", figure: "raw_deliveries" },
      { who: OURS, scenario: "deliver", figure: "deliveries" },
    ],
  },
];

const WIDTH = 760;
const ROW_HEIGHT = 24;
const LIGHT = "background: #ffffff; color: #1f2328;";
const DARK = "background: #0d1117; color: #e6edf3;";

interface Row {
  readonly key: string;
  readonly label: string;
  /** Null for a heading. */
  readonly perSecond: number | null;
}

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name a results file.");
const svg = draw(readResults(pathToFileURL(file)));
writeFileSync(new URL("../docs/performance.svg", import.meta.url), svg);

function draw(results: Results): string {
  const rows = GROUPS.flatMap((group) => rowsOf(group, results));
  const bars = rows.filter(({ perSecond }) => perSecond !== null);
  const { document } = parseHTML("<html><body></body></html>");
  const plot = Plot.plot({
    document,
    width: WIDTH,
    height: rows.length * ROW_HEIGHT + 70,
    marginLeft: 200,
    marginRight: 70,
    marginTop: 16,
    marginBottom: 44,
    style: { fontSize: "13px" },
    x: { label: describe(results), labelAnchor: "left", labelArrow: "none", grid: true, ticks: 5 },
    y: { axis: null, domain: rows.map(({ key }) => key), padding: 0.25 },
    marks: [
      Plot.barX(bars, {
        x: "perSecond",
        y: "key",
        fill: ({ label }: Row) => (label === OURS ? "#2f81f7" : "#8c959f"),
      }),
      Plot.text(bars, {
        x: "perSecond",
        y: "key",
        text: ({ perSecond }: Row) => `${Math.round(perSecond ?? 0).toLocaleString("en")}/s`,
        textAnchor: "start",
        dx: 6,
      }),
      Plot.text(rows, {
        y: "key",
        text: "label",
        frameAnchor: "left",
        textAnchor: "end",
        dx: -10,
        filter: ({ perSecond }: Row) => perSecond !== null,
      }),
      Plot.text(rows, {
        y: "key",
        text: "label",
        frameAnchor: "left",
        textAnchor: "start",
        dx: -190,
        filter: ({ perSecond }: Row) => perSecond === null,
        fontWeight: "bold",
      }),
    ],
  });
  return standAlone(plot.outerHTML);
}

function rowsOf({ title, bars }: Group, results: Results): readonly Row[] {
  const rows = bars.flatMap(({ who, scenario, figure }) => {
    const found = results.scenarios[scenario]?.figures.find((each) => each.figure === figure);
    return found === undefined
      ? []
      : [{ key: `${scenario} ${figure}`, label: who, perSecond: found.value }];
  });
  return rows.length === 0 ? [] : [{ key: title, label: title, perSecond: null }, ...rows];
}

function describe({ machine, date }: Results): string {
  return `per second · ${machine.cpu}, ${machine.cores} cores for all processes · ${date}`;
}

/** As a picture in a page it sees neither the page's colours nor its namespaces. */
function standAlone(html: string): string {
  const style = `<style>svg { ${LIGHT} } @media (prefers-color-scheme: dark) { svg { ${DARK} } }</style>`;
  return `${html
    .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" role="img" ')
    .replace("<style>", `${style}<style>`)}\n`;
}
