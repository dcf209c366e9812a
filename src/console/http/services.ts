import type { ApiServices } from "../../api/services.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import type { ApiFetch } from "./gateway-api.ts";

/** Where the gateway serves it. */
export const CONSOLE_PATH = "/console";

export interface ConsoleServices extends Pick<
  ApiServices,
  | "admission"
  | "apiKeys"
  | "refusedKeys"
  | "clock"
  | "database"
  | "log"
  | "metrics"
  | "isTrustedProxy"
  | "secretBox"
  | "projects"
  | "publicUrl"
  | "version"
> {
  /** Answers as the API does. */
  readonly api: ApiFetch;
  /** Null where it is off. */
  readonly sandbox: Sandbox | null;
}
