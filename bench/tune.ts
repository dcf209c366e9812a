import { summarize, type Sample } from "./measure.ts";

const CONCURRENCIES = [8, 16, 32, 64, 128];

/**
 * The concurrency at which a raw loop is cheapest. The gateway must not look good beside a loop
 * that is set badly: undici's pool gets slower with each connection it has to look through.
 */
export async function cheapestConcurrency(
  run: (concurrency: number) => Promise<Sample>,
): Promise<number> {
  let best = { concurrency: 1, cpuUs: Infinity };
  for (const concurrency of CONCURRENCIES) {
    const cpuUs = summarize([await run(concurrency)]).cpuUsEach ?? Infinity;
    if (cpuUs < best.cpuUs) best = { concurrency, cpuUs };
  }
  return best.concurrency;
}
