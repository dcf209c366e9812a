/** Uniform in [0, 1). Passed in wherever a decision has jitter, so that tests can fix it. */
export type Random = () => number;

export const systemRandom: Random = Math.random;
