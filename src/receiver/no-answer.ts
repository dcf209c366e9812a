const CAUSES_MAX = 5;

/** Looks through the causes of what `fetch` threw: runtimes hide the reason behind `fetch failed`. */
export function noAnswerOf(error: unknown): {
  /** `ECONNREFUSED` and the like, as the runtime calls it; empty where it says none. */
  readonly code: string;
  /** Empty where the runtime says nothing more than that it failed. */
  readonly text: string;
} {
  let [code, text] = ["", ""];
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth += 1) {
    if ("code" in at && typeof at.code === "string") ({ code } = at);
    // The outermost one is the same for every reason.
    if (depth > 0 && at.message !== "") text = at.message;
    at = at.cause;
  }
  const isNamed = code === "" || text.includes(code);
  return { code, text: isNamed ? text : [text, `(${code})`].join(" ").trim() };
}
