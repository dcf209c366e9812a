import type { RequestDefinition } from "../definition/request.ts";

/** A request to an upstream, ready to be sent. `headers` may be shared by many requests. */
export interface UpstreamRequest {
  readonly kind: "request";
  readonly method: RequestDefinition["method"];
  readonly origin: string;
  /** Path and query. With `query` authentication it contains the credential: not for logs. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}
