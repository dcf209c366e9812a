import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { documentResults } from "./document.ts";
import { isMet } from "./figure.ts";
import { installPackages } from "./packages.ts";
import { PROFILE_FOLDER } from "./profiler.ts";
import { formatLines, formatTable, roundFigure, type Outcome } from "./report.ts";
import { keepResult, readResults } from "./results.ts";
import type { BenchSettings, Scenario } from "./scenario.ts";
import { acceptBatch } from "./scenarios/accept-batch.ts";
import { accept } from "./scenarios/accept.ts";
import { big } from "./scenarios/big.ts";
import { bloat } from "./scenarios/bloat.ts";
import { openConsoles } from "./scenarios/console.ts";
import { deliver } from "./scenarios/deliver.ts";
import { fairness } from "./scenarios/fairness.ts";
import { idle } from "./scenarios/idle.ts";
import { human } from "./scenarios/human.ts";
import { lag } from "./scenarios/lag.ts";
import { late } from "./scenarios/late.ts";
import { life } from "./scenarios/life.ts";
import { nodes } from "./scenarios/nodes.ts";
import { poll } from "./scenarios/poll.ts";
import { restart } from "./scenarios/restart.ts";
import { rivals } from "./scenarios/rivals.ts";
import { scale } from "./scenarios/scale.ts";
import { via } from "./scenarios/via.ts";

/*
 * npm run bench [-- <scenario> … --quick --json --profile <folder> --only <part>]
 *
 * Measures the gateway as users run it, in a process of its own on an embedded Postgres with fsync
 * on, beside the least program that could do the same, in the same run. Keeps what a full run has
 * measured in `results/<date>.json`, and once that has all scenarios renders the documents' figures
 * from it. Exits with 1 when a target is missed or a scenario failed.
 */

const SCENARIOS: readonly Scenario[] = [
  poll,
  rivals,
  accept,
  acceptBatch,
  deliver,
  life,
  via,
  nodes,
  fairness,
  lag,
  late,
  human,
  idle,
  restart,
  openConsoles,
  scale,
  big,
  bloat,
];

const FULL = { mode: "full", runs: 3, warmUpMs: 2000, windowMs: 5000 } as const;
const QUICK = { mode: "quick", runs: 3, warmUpMs: 500, windowMs: 1000 } as const;
/** A scenario that takes longer hangs. */
const SCENARIO_MS_MAX = 15 * 60_000;

interface Arguments {
  readonly scenarios: readonly Scenario[];
  readonly pace: typeof FULL | typeof QUICK;
  readonly format: (outcome: Outcome) => string;
  readonly only: string | null;
}

const wanted = parseArguments();
process.exitCode = wanted === null ? 2 : await measureAll(wanted);

/** Null after telling how it is used. */
function parseArguments(): Arguments | null {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean" },
      json: { type: "boolean" },
      profile: { type: "string" },
      only: { type: "string" },
    },
  });
  if (values.profile !== undefined) process.env[PROFILE_FOLDER] = resolve(values.profile);
  const named = SCENARIOS.filter(({ name }) => positionals.includes(name));
  const only = values.only ?? null;
  const hasPart = only === null || (named.length === 1 && named[0]?.parts?.includes(only) === true);
  if (named.length !== new Set(positionals).size || !hasPart) {
    const names = SCENARIOS.map(
      ({ name, title, parts }) =>
        `  ${name.padEnd(12)} ${title}${parts === undefined ? "" : `; parts: ${parts.join(", ")}`}`,
    );
    console.error(
      `Usage: npm run bench -- [scenario …] [--quick] [--json] [--profile folder] [--only part]\n\n${names.join("\n")}`,
    );
    return null;
  }
  return {
    scenarios: named.length === 0 ? SCENARIOS : named,
    pace: values.quick === true ? QUICK : FULL,
    format: values.json === true ? formatLines : formatTable,
    only,
  };
}

/** The exit code. A scenario that failed does not keep the others from being measured. */
async function measureAll({ scenarios, pace, format, only }: Arguments): Promise<0 | 1> {
  installPackages();
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort());
  let resultsFile: URL | null = null;
  let isAllMet = true;
  for (const scenario of scenarios) {
    const settings = settingsOf(scenario, { ...pace, only }, stop.signal);
    try {
      settings.step(scenario.title);
      const startedAt = performance.now();
      const figures = (await scenario.run(settings)).map(roundFigure);
      const outcome = { scenario: scenario.name, figures };
      settings.step(`took ${Math.round((performance.now() - startedAt) / 1000)} s`);
      console.log(format(outcome));
      isAllMet &&= figures.every(isMet);
      if (pace.mode === "full" && only === null)
        resultsFile = keepResult(outcome, scenario.title, settings);
    } catch (error) {
      isAllMet = false;
      if (stop.signal.aborted) break;
      console.error(`${scenario.name} failed:`, error);
    }
  }
  if (resultsFile !== null) render(resultsFile);
  return isAllMet ? 0 : 1;
}

function settingsOf(
  { name }: Scenario,
  pace: Omit<BenchSettings, "step" | "signal">,
  stop: AbortSignal,
): BenchSettings {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(SCENARIO_MS_MAX)]);
  const step = (text: string): void => {
    signal.throwIfAborted();
    console.error(`${name}: ${text}`);
  };
  return { ...pace, step, signal };
}

/** Only of a whole: all scenarios, measured on one day. */
function render(resultsFile: URL): void {
  const results = readResults(resultsFile);
  if (!SCENARIOS.every(({ name }) => name in results.scenarios)) return;
  documentResults(results);
  // A program of its own: what it imports is not there before `installPackages`.
  const chart = fileURLToPath(new URL("chart.ts", import.meta.url));
  execFileSync(process.execPath, [chart, fileURLToPath(resultsFile)], { stdio: ["ignore", 2, 2] });
}
