/**
 * Every warning that an accepted request may be answered with, and the code that programs read. A
 * closed list; a code never changes its meaning.
 */
export const WARNING_CODES = ["callback_host_unresolved", "callback_on_this_machine"] as const;

/** Something that a person should look at, although the request was accepted. */
export interface Warning {
  readonly code: (typeof WARNING_CODES)[number];
  /** Says what was found and what to do. */
  readonly message: string;
}
