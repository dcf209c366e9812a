/**
 * Something long-lived. `start` and `stop` may be called more than once; `stop` resolves only
 * when nothing the service began is still running.
 */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
