/** One number of a scenario. */
export interface Figure {
  /** Without its unit: `polls`, `ratio_to_raw`, `ending_to_callback_p99`. */
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** The value to reach; null for a figure that only informs. */
  readonly target: Target | null;
}

export type Target =
  | { readonly kind: "at_least"; readonly value: number }
  | { readonly kind: "at_most"; readonly value: number };

export function atLeast(value: number): Target {
  return { kind: "at_least", value };
}

export function atMost(value: number): Target {
  return { kind: "at_most", value };
}

export function figure(name: string, value: number, unit: string, target?: Target): Figure {
  return { figure: name, value, unit, target: target ?? null };
}

/** A number that could not be measured (NaN) meets no target. */
export function isMet({ value, target }: Figure): boolean {
  if (target === null) return true;
  return target.kind === "at_least" ? value >= target.value : value <= target.value;
}
