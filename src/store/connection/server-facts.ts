import type { Sql } from "./connection.ts";
import { errorCode } from "../db/errors.ts";

/** Properties of a server that the program needs to know after connecting. */
export interface ServerFacts {
  readonly version: number;
  /**
   * The limit that this connection has. It differs from the requested one where start-up parameters
   * have no effect.
   */
  readonly lockTimeoutMs: number;
}

export async function serverFacts(sql: Sql): Promise<ServerFacts> {
  const [facts] = await sql<ServerFacts[]>`
    select current_setting('server_version_num')::int / 10000 as version,
      date_part('epoch', current_setting('lock_timeout')::interval) * 1000 as "lockTimeoutMs"`;
  if (facts === undefined) throw new Error("the server did not report its version");
  return facts;
}

const ADD_POOLER =
  "Add ?pooler=transaction to the URL, or ?prepare=false where the pooler keeps no prepared statements";
export const SETTINGS_IGNORED = `a connection pooler ignores the limits that a connection asks for, so every statement carries them now. ${ADD_POOLER}`;
const SETTINGS_REFUSED = `a connection pooler refuses the limits that a connection asks for. ${ADD_POOLER}`;
/**
 * SQLSTATE with which PgBouncer and similar poolers refuse a start-up parameter, among other
 * things.
 */
const PROTOCOL_VIOLATION = "08P01";

/**
 * Advice for a pooler that refuses the limits that a connection asks for; null for other errors.
 */
export function settingsRefusal(error: unknown): string | null {
  const isRefusal =
    errorCode(error) === PROTOCOL_VIOLATION && /startup parameter/i.test(String(error));
  return isRefusal ? SETTINGS_REFUSED : null;
}
