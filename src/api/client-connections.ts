import { addressGroup } from "./request/client-address.ts";

export interface ClientConnectionsOptions {
  /** Limit for all clients together. */
  readonly connectionsMax: number;
  /** Limit for one address; behind a proxy, all clients share one. */
  readonly connectionsPerAddressMax: number;
}

interface Open {
  readonly group: string;
  /** Requests, more than one where the client pipelines them. */
  inProgress: number;
}

/** The connections of one address, each in the order in which it reached its state. */
interface Client<Connection> {
  readonly idle: Set<Connection>;
  readonly busy: Set<Connection>;
}

/**
 * Bounds the connections of the listener. At the limit, the address with the most loses one for the
 * next arrival: the one that has been idle longest, or, if another address has far fewer, the one
 * whose request has been in progress longest. So a client that opens thousands closes its own. An
 * IPv6 /64 counts as one address.
 */
export class ClientConnections<
  Connection extends {
    destroy(): unknown;
  },
> {
  readonly #options: ClientConnectionsOptions;
  readonly #open = new Map<Connection, Open>();
  readonly #clients = new Map<string, Client<Connection>>();

  constructor(options: ClientConnectionsOptions) {
    this.#options = options;
  }

  /** Number of connections. */
  get size(): number {
    return this.#open.size;
  }

  /** Counts a new connection; closes it, or another, when there is no room for both. */
  opened(connection: Connection, address: string): void {
    const group = addressGroup(address);
    if (!this.#hasRoomFor(group)) {
      connection.destroy();
      return;
    }
    this.#open.set(connection, { group, inProgress: 0 });
    const client = this.#clients.get(group);
    if (client === undefined) {
      this.#clients.set(group, { idle: new Set([connection]), busy: new Set() });
    } else client.idle.add(connection);
  }

  /** Records that a request has arrived on it. @returns how many are in progress on it now */
  began(connection: Connection): number {
    const open = this.#open.get(connection);
    // Closed to make room, while its request was on its way.
    if (open === undefined) return 1;
    open.inProgress += 1;
    if (open.inProgress === 1) this.#move(connection, open, "idle", "busy");
    return open.inProgress;
  }

  /** Records that a request on it has ended. */
  ended(connection: Connection): void {
    const open = this.#open.get(connection);
    if (open === undefined) return;
    open.inProgress -= 1;
    if (open.inProgress === 0) this.#move(connection, open, "busy", "idle");
  }

  closed(connection: Connection): void {
    const open = this.#open.get(connection);
    const client = this.#clients.get(open?.group ?? "");
    if (open === undefined || client === undefined) return;
    this.#open.delete(connection);
    client.idle.delete(connection);
    client.busy.delete(connection);
    if (sizeOf(client) === 0) this.#clients.delete(open.group);
  }

  #hasRoomFor(group: string): boolean {
    const own = this.#clients.get(group);
    const ownSize = own === undefined ? 0 : sizeOf(own);
    if (ownSize >= this.#options.connectionsPerAddressMax) return this.#closeOne(own, false);
    if (this.size < this.#options.connectionsMax) return true;
    const largest = this.#largest();
    // An address with two more still has as many as the other after both have changed by one.
    const hasFarMore = largest !== null && sizeOf(largest) >= ownSize + 2;
    return this.#closeOne(hasFarMore ? largest : own, hasFarMore);
  }

  #closeOne(client: Client<Connection> | null | undefined, evenIfBusy: boolean): boolean {
    const [idlest] = client?.idle ?? [];
    const [longest] = evenIfBusy ? (client?.busy ?? []) : [];
    const closing = idlest ?? longest;
    if (closing === undefined) return false;
    this.closed(closing);
    closing.destroy();
    return true;
  }

  #largest(): Client<Connection> | null {
    let largest: Client<Connection> | null = null;
    for (const client of this.#clients.values()) {
      if (largest === null || sizeOf(client) > sizeOf(largest)) largest = client;
    }
    return largest;
  }

  #move(connection: Connection, { group }: Open, from: "idle" | "busy", to: "idle" | "busy"): void {
    const client = this.#clients.get(group);
    client?.[from].delete(connection);
    client?.[to].add(connection);
  }
}

function sizeOf({ idle, busy }: Client<unknown>): number {
  return idle.size + busy.size;
}
