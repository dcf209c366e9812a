import { addressGroup } from "./request/client-address.ts";

/** What is closed; a socket. */
interface Closable {
  destroy(): unknown;
}

export interface ClientConnectionsOptions {
  /** Of all clients together. */
  readonly connectionsMax: number;
  /** Of one address; behind a proxy, all clients have the same. */
  readonly connectionsPerAddressMax: number;
}

/** The connections of one address, each in the order in which they came to be so. */
interface Client<Connection> {
  readonly idle: Set<Connection>;
  readonly busy: Set<Connection>;
}

/**
 * Bounds the connections of the listener. When there are as many as may be, the address with the most
 * loses one for the next that comes: the one that has been idle for longest, or, if another address
 * has far fewer, the one whose request has been in progress for longest. So somebody who opens
 * thousands closes their own. An IPv6 /64 counts as one address.
 */
export class ClientConnections<Connection extends Closable> {
  readonly #options: ClientConnectionsOptions;
  readonly #groupOf = new Map<Connection, string>();
  readonly #clients = new Map<string, Client<Connection>>();

  constructor(options: ClientConnectionsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#groupOf.size;
  }

  /** Counts a new connection; closes it, or another, when there is no room for both. */
  opened(connection: Connection, address: string): void {
    const group = addressGroup(address);
    if (!this.#hasRoomFor(group)) {
      connection.destroy();
      return;
    }
    this.#groupOf.set(connection, group);
    const client = this.#clients.get(group);
    if (client === undefined) {
      this.#clients.set(group, { idle: new Set([connection]), busy: new Set() });
    } else client.idle.add(connection);
  }

  /** A request has come on it. */
  began(connection: Connection): void {
    const client = this.#clientOf(connection);
    if (client?.idle.delete(connection) === true) client.busy.add(connection);
  }

  /** The request on it is over. */
  ended(connection: Connection): void {
    const client = this.#clientOf(connection);
    if (client?.busy.delete(connection) === true) client.idle.add(connection);
  }

  closed(connection: Connection): void {
    const group = this.#groupOf.get(connection);
    const client = this.#clientOf(connection);
    if (group === undefined || client === undefined) return;
    this.#groupOf.delete(connection);
    client.idle.delete(connection);
    client.busy.delete(connection);
    if (sizeOf(client) === 0) this.#clients.delete(group);
  }

  #hasRoomFor(group: string): boolean {
    const own = this.#clients.get(group);
    const ownSize = own === undefined ? 0 : sizeOf(own);
    if (ownSize >= this.#options.connectionsPerAddressMax) return this.#closeOne(own, false);
    if (this.size < this.#options.connectionsMax) return true;
    const largest = this.#largest();
    // One that has two more still has as many as the other when both have changed by one.
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

  #clientOf(connection: Connection): Client<Connection> | undefined {
    return this.#clients.get(this.#groupOf.get(connection) ?? "");
  }
}

function sizeOf({ idle, busy }: Client<unknown>): number {
  return idle.size + busy.size;
}
