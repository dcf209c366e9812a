import { Connection } from "./connection.ts";
import type { Backend, ConnectionOptions } from "./connection.ts";
import { serverName } from "./database-url.ts";
import type { DatabaseAddress, DatabaseServer, TargetSessionAttrs } from "./database-url.ts";
import { settingsRefusal } from "./server-facts.ts";
import { ConnectionError, errorCode, isTransient } from "../db/errors.ts";

/**
 * Applies to an only server. With a list, a server that does not answer must not hold up the
 * others.
 */
const CONNECT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS_OF_SEVERAL = 3_000;

/**
 * Ends authentication and reads what `target_session_attrs` depends on, and who answers; without
 * parameters, so that any pooler accepts it.
 */
const HELLO = `
select pg_is_in_recovery() as "isStandby",
  current_setting('transaction_read_only') = 'on' as "isReadOnly",
  pg_backend_pid() as pid, pg_postmaster_start_time()::text as "serverStartedAt"`;

interface SessionState extends Backend {
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
}

type SharedOptions = Omit<ConnectionOptions, "server" | "tls" | "driverUrl" | "connectTimeoutMs">;

/**
 * The servers of a `DATABASE_URL`. Each new connection goes to the one that was right last time,
 * and to the next ones while it is unreachable or has become a standby.
 */
export class ServerList {
  readonly #address: DatabaseAddress;
  #preferred = 0;

  constructor(address: DatabaseAddress) {
    this.#address = address;
  }

  /**
   * A connection that has answered. Rejects with the error of the only server, with one that is the
   * same for all of them, such as a wrong password, or with `NO_SUITABLE_SERVER`, which names each.
   */
  async connect(options: SharedOptions): Promise<Connection> {
    const { servers, target } = this.#address;
    const failures: string[] = [];
    const first = this.#preferred;
    for (let step = 0; step < servers.length; step += 1) {
      const index = (first + step) % servers.length;
      const server = servers[index];
      if (server === undefined) break;
      try {
        const { connection, state } = await this.#greet(server, options);
        const misfit = misfitOf(target, state);
        if (misfit === null) {
          this.#preferred = index;
          return connection;
        }
        await connection.close();
        failures.push(`${serverName(server)} ${misfit}`);
      } catch (error) {
        const isForAll = !isTransient(error) || settingsRefusal(error) !== null;
        if (servers.length === 1 || isForAll) throw error;
        failures.push(`${serverName(server)}: ${errorCode(error) ?? String(error)}`);
      }
    }
    throw new ConnectionError(
      "NO_SUITABLE_SERVER",
      `none of the servers can be used (target_session_attrs=${target}): ${failures.join("; ")}`,
    );
  }

  async #greet(
    server: DatabaseServer,
    options: SharedOptions,
  ): Promise<{ readonly connection: Connection; readonly state: SessionState }> {
    const { driverUrl, servers, tls } = this.#address;
    const connectTimeoutMs =
      servers.length > 1 ? CONNECT_TIMEOUT_MS_OF_SEVERAL : CONNECT_TIMEOUT_MS;
    const connection = new Connection({ ...options, server, tls, driverUrl, connectTimeoutMs });
    try {
      const [state] = await connection.sql.unsafe<SessionState[]>(HELLO);
      if (state === undefined) throw new Error("the server did not say whether it is a standby");
      const { pid, serverStartedAt } = state;
      connection.backend = { pid, serverStartedAt };
      return { connection, state };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }
}

/** Why a session is not acceptable, or null. */
function misfitOf(target: TargetSessionAttrs, state: SessionState): string | null {
  switch (target) {
    case "any":
      return null;
    case "primary":
      return state.isStandby ? "is a standby" : null;
    case "read-write":
      if (state.isStandby) return "is a standby";
      return state.isReadOnly ? "is read-only" : null;
  }
}
