/**
 * Headers of every answer: browsers must not read it as another type than it declares, nor reveal where a
 * link was followed.
 */
export const ANSWER_HEADERS = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
] as const;
