/** How long the server lets a connection's calls take, in milliseconds; 0 is without a limit. */
export interface CallBounds {
  readonly statementMs: number;
  /** Between two statements of a transaction: its node may be gone. */
  readonly idleInTransactionMs: number;
  /** For one lock. */
  readonly lockMs: number;
}

const settingsOf = (bounds: CallBounds) => ({
  statement_timeout: bounds.statementMs,
  idle_in_transaction_session_timeout: bounds.idleInTransactionMs,
  lock_timeout: bounds.lockMs,
  // No bound, but goes the same way: `sql/time.ts` reads times in this style.
  datestyle: "ISO",
});

/** As start-up parameters, for all that a connection does. Poolers refuse or ignore them. */
export function startupParameters(bounds: CallBounds): Record<string, number | string> {
  return settingsOf(bounds);
}

/**
 * Begins a transaction and bounds it, in one message: nothing can be lost in between. The limits end
 * with the transaction, so a pooler's next client does not inherit them.
 */
export function beginBounded(bounds: CallBounds): string {
  const settings = Object.entries(settingsOf(bounds));
  const calls = settings.map(([name, ms]) => `set_config('${name}', '${ms}', true)`);
  return `begin; select ${calls.join(", ")}`;
}
