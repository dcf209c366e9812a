import type { Output } from "./output.ts";

const STEP_MS = 1_000;

/** Shows on a terminal that something goes on, and for how long. */
export async function withElapsedTime<T>(
  out: Output,
  text: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const show = (): void => {
    const seconds = Math.floor((performance.now() - startedAt) / 1000);
    out.progress(`${text} … ${seconds} s`);
  };
  const timer = setInterval(show, STEP_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    out.progress(null);
  }
}
