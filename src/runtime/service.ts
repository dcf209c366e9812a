/**
 * A long-lived part. `start` and `stop` may be called more than once; `stop` resolves only when
 * nothing that the service began is still running.
 */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
