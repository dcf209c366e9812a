import type { ApiServices } from "../../src/api/services.ts";

export interface Logged {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A log that is kept in a list. */
export function notingLog(logged: Logged[]): ApiServices["log"] {
  const at = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  return {
    isLevelEnabled: () => true,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}
