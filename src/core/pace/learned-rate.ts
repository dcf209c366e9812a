/*
 * The rate of requests that an upstream takes, learned from its refusals (429). A refusal halves the
 * rate. It then grows by addition: within two seconds almost to the limit that was met, and from
 * there in steps that start tiny and double every minute:
 *
 *   limit ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄__✗ refused
 *               ╱‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾
 *             ╱
 *   half  ✗ ╱
 *
 * So nearly all the time is spent just below the limit, which is then nearly used up and seldom
 * met. A limit that was raised is found in minutes; one that was lowered, at once. Refusals that come
 * more often than that are not all due to the rate. Once they have stopped, for six times as long as they
 * were apart and at least half a minute, the steps double every ten seconds.
 */

/** For a whole connection, whichever nodes share it. */
export type LearnedRate =
  /** Nothing was ever refused, so nothing holds back. */
  | { readonly kind: "unrefused" }
  /** The first refusal tells little of where the limit lies: doubles until the next. */
  | { readonly kind: "searching"; readonly perSecond: number }
  | {
      readonly kind: "learned";
      readonly limitPerSecond: number;
      readonly fromPerSecond: number;
      /** How long it has grown from there. */
      readonly grownMs: number;
      /** About how long the refusals before were apart, as far as the rate was used up between them. */
      readonly apartMs: number;
    };

export const UNREFUSED: LearnedRate = { kind: "unrefused" };

/** However often it is refused, a lane asks once a minute. */
export const PER_SECOND_MIN = 1 / 60;
export const PER_SECOND_MAX = 1_000_000;

const SEARCH_DOUBLING_MS = 2_000;
const RECOVERY_MS = 2_000;
/** How far below the limit the recovery ends, as a part of it. */
const MARGIN = 0.01;
const STEPS_DOUBLING_MS = 60_000;
const QUICK_STEPS_DOUBLING_MS = 10_000;
/** How many times as long as before without a refusal shows that they have stopped; and its bounds. */
const QUIET_TIMES = 6;
const QUIET_MS_MIN = 30_000;
const QUIET_MS_MAX = 180_000;
/** When hardly anything had passed before the first refusal, the search begins at half of this. */
const SEARCH_PER_SECOND_MIN = 2;
const PASSED_MS_MIN = 30_000;
const RAISED = 1.1;
const A_LITTLE_LOWER = 0.95;

/** Infinity while nothing was refused. */
export function perSecondOf(rate: LearnedRate): number {
  switch (rate.kind) {
    case "unrefused":
      return Infinity;
    case "searching":
      return rate.perSecond;
    case "learned": {
      const { limitPerSecond, fromPerSecond, grownMs, apartMs } = rate;
      const plateau = Math.max(fromPerSecond, (1 - MARGIN) * limitPerSecond);
      if (grownMs < RECOVERY_MS)
        return bounded(fromPerSecond + ((plateau - fromPerSecond) * grownMs) / RECOVERY_MS);
      const steppedMs = grownMs - RECOVERY_MS;
      const quietMs = Math.min(QUIET_MS_MAX, Math.max(QUIET_MS_MIN, QUIET_TIMES * apartMs));
      const quickMs = Math.max(0, steppedMs - quietMs);
      const doublings =
        (steppedMs - quickMs) / STEPS_DOUBLING_MS + quickMs / QUICK_STEPS_DOUBLING_MS;
      return bounded(plateau + MARGIN * limitPerSecond * (2 ** doublings - 1));
    }
  }
}

/**
 * The rate that was let through since requests began to pass after the previous refusal, the time included for
 * which the upstream then had none pass.
 */
export interface Passed {
  readonly requests: number;
  readonly ms: number;
}

/**
 * Lowers the rate, since a request was refused.
 * @param perSecond the rate that held; Infinity when nothing held back
 */
export function afterRefusal(rate: LearnedRate, perSecond: number, passed: Passed): LearnedRate {
  switch (rate.kind) {
    case "unrefused": {
      const passedPerSecond = (passed.requests / Math.max(1000, passed.ms)) * 1000;
      const from = Math.min(perSecond, Math.max(SEARCH_PER_SECOND_MIN, passedPerSecond));
      return { kind: "searching", perSecond: bounded(from / 2) };
    }
    case "searching":
      return learned(perSecond, perSecond, 0);
    case "learned": {
      const apartMs = Math.max(rate.grownMs, rate.apartMs / 2);
      return learned(perSecond, limitBelow(perSecond, passed, rate.limitPerSecond), apartMs);
    }
  }
}

/**
 * Estimates the limit that was met at this rate, from the number of requests that passed for a while;
 * unless the rate was low for most of that time because the limit has been raised.
 */
function limitBelow(perSecond: number, passed: Passed, before: number): number {
  const isRaised = perSecond > RAISED * before;
  if (passed.ms < PASSED_MS_MIN || isRaised) return A_LITTLE_LOWER * perSecond;
  const passedPerSecond = (passed.requests / passed.ms) * 1000;
  return Math.min(perSecond, Math.max(perSecond / 2, passedPerSecond));
}

/** Lets it grow for the time in which it was used up; one that was not used up proves nothing. */
export function afterUse(rate: LearnedRate, elapsedMs: number): LearnedRate {
  switch (rate.kind) {
    case "unrefused":
      return rate;
    case "searching": {
      const factor = 2 ** (elapsedMs / SEARCH_DOUBLING_MS);
      return { kind: "searching", perSecond: bounded(rate.perSecond * factor) };
    }
    case "learned":
      return { ...rate, grownMs: rate.grownMs + elapsedMs };
  }
}

function learned(perSecond: number, limitPerSecond: number, apartMs: number): LearnedRate {
  return {
    kind: "learned",
    limitPerSecond: bounded(limitPerSecond),
    fromPerSecond: bounded(perSecond / 2),
    grownMs: 0,
    apartMs,
  };
}

function bounded(perSecond: number): number {
  return Math.min(PER_SECOND_MAX, Math.max(PER_SECOND_MIN, perSecond));
}
