import type { Figure } from "./figure.ts";

/** How long and how often a scenario measures. */
export interface BenchSettings {
  /**
   * `quick` serves to compare a change with what was before: all scenarios together take less than
   * three minutes, so that each has about 15 s, start of its gateway included. Sizes that only one
   * scenario has stand in its file, by mode.
   */
  readonly mode: "full" | "quick";
  readonly runs: number;
  /** Before each run, unmeasured. */
  readonly warmUpMs: number;
  /** Duration of each run. */
  readonly windowMs: number;
  /** The only one of the scenario's parts to measure; null for all. */
  readonly only: string | null;
  /** Tells a person what comes next; throws when somebody has asked to stop. */
  readonly step: (text: string) => void;
  /** Aborts when somebody asks to stop, and when a scenario takes far too long: for long waits. */
  readonly signal: AbortSignal;
}

/**
 * One thing that is measured. It starts whatever it needs in processes of their own (`gateway.ts`,
 * `worker-process.ts`), measures every denominator in the same run, and leaves nothing behind.
 */
export interface Scenario {
  readonly name: string;
  /** One line, such as `polling 10000 running jobs at saturation`. */
  readonly title: string;
  /** The names that `--only` takes, where parts can be measured by themselves. */
  readonly parts?: readonly string[];
  run(settings: BenchSettings): Promise<readonly Figure[]>;
}
