import { expect, test } from "vitest";
import { atLeast, atMost, figure, isMet } from "../../bench/figure.ts";
import { formatLines, roundFigure } from "../../bench/report.ts";

test("a target is met at its bound, from the side that it names", () => {
  expect(isMet(figure("ratio_to_raw", 0.9, "ratio", atLeast(0.9)))).toBe(true);
  expect(isMet(figure("ratio_to_raw", 0.89, "ratio", atLeast(0.9)))).toBe(false);
  expect(isMet(figure("p99", 50, "ms", atMost(50)))).toBe(true);
  expect(isMet(figure("p99", 50.1, "ms", atMost(50)))).toBe(false);
});

test("a figure that could not be measured meets no target", () => {
  expect(isMet(figure("cpu_ratio", Number.NaN, "ratio", atMost(1.2)))).toBe(false);
  expect(isMet(figure("cpu_ratio", Number.NaN, "ratio", atLeast(1.2)))).toBe(false);
});

test("figures keep three digits, and all before the point", () => {
  const rounded = (value: number): number => roundFigure(figure("any", value, "µs")).value;
  expect([0.08374, 1.2349, 99.96, 123.4, 41_234.5].map(rounded)).toEqual([
    0.0837, 1.23, 100, 123, 41_235,
  ]);
});

test("programs get one line of JSON for each figure", () => {
  const figures = [
    figure("ratio_to_raw", 0.93, "ratio", atLeast(0.9)),
    figure("spread", 0.02, "ratio"),
  ];
  expect(formatLines({ scenario: "poll", figures }).split("\n")).toEqual([
    '{"scenario":"poll","figure":"ratio_to_raw","value":0.93,"unit":"ratio","target":0.9,"ok":true}',
    '{"scenario":"poll","figure":"spread","value":0.02,"unit":"ratio","target":null,"ok":null}',
  ]);
});
