import fc from "fast-check";

/*
 * Property tests draw the same cases in every run, so that a change is judged by what it does and not by
 * what was drawn. `TEST_SEED` draws others, for a search by hand.
 */
fc.configureGlobal({ seed: Number(process.env["TEST_SEED"] ?? 1) });
