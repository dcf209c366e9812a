/** How long the server lets a connection's calls take, in milliseconds; 0 means no limit. */
export interface CallBounds {
  readonly statementMs: number;
  /** Between two statements of a transaction, since its node may be dead. */
  readonly idleInTransactionMs: number;
  /** For one lock. */
  readonly lockMs: number;
}

const settingsOf = (bounds: CallBounds) => ({
  statement_timeout: bounds.statementMs,
  idle_in_transaction_session_timeout: bounds.idleInTransactionMs,
  lock_timeout: bounds.lockMs,
  // Not a bound, but sent the same way: `sql/time.ts` reads times in this style.
  datestyle: "ISO",
});

/** Start-up parameters that bound everything on a connection. Poolers refuse or ignore them. */
export function startupParameters(bounds: CallBounds): Record<string, number | string> {
  return settingsOf(bounds);
}

/**
 * Begins a transaction and bounds it in one message, so that nothing can be lost in between. The
 * limits end with the transaction, so a pooler's next client does not inherit them.
 * @param bounds null where the limits of the session hold
 */
export function begin(bounds: CallBounds | null): string {
  if (bounds === null) return "begin";
  const settings = Object.entries(settingsOf(bounds));
  const calls = settings.map(([name, ms]) => `set_config('${name}', '${ms}', true)`);
  return `begin; select ${calls.join(", ")}`;
}
