import { atLeast, atMost, figure, type Figure } from "./figure.ts";
import { summarize, type Sample } from "./measure.ts";

/** The runs of the gateway beside those of the least program that could do the same. */
export interface Comparison {
  /** The counted unit, such as `polls`. */
  readonly operations: string;
  readonly gateway: readonly Sample[];
  readonly raw: readonly Sample[];
  readonly ratioMin: number;
  readonly cpuRatioMax?: number;
}

/** Rates, CPU per operation and their ratios, each from the medians over the runs. */
export function compare(comparison: Comparison): readonly Figure[] {
  const { operations, ratioMin, cpuRatioMax } = comparison;
  const ours = summarize(comparison.gateway);
  const theirs = summarize(comparison.raw);
  const rates = [
    figure(operations, ours.perSecond, `${operations}/s`),
    figure(`raw_${operations}`, theirs.perSecond, `${operations}/s`),
    figure("ratio_to_raw", ours.perSecond / theirs.perSecond, "ratio", atLeast(ratioMin)),
    figure("spread", ours.spread, "ratio"),
    figure("raw_spread", theirs.spread, "ratio"),
  ];
  if (ours.cpuUsEach === null || theirs.cpuUsEach === null) return rates;
  const cpuRatio = ours.cpuUsEach / theirs.cpuUsEach;
  const cpuTarget = cpuRatioMax === undefined ? undefined : atMost(cpuRatioMax);
  return [
    ...rates,
    figure("cpu_each", ours.cpuUsEach, "µs"),
    figure("raw_cpu_each", theirs.cpuUsEach, "µs"),
    figure("cpu_ratio_to_raw", cpuRatio, "ratio", cpuTarget),
  ];
}
