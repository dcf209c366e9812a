import { type InboxMessage, streamMessages, type StreamOptions } from "./inbox-stream.ts";
import type { List } from "./list.ts";
import type { InboxMessages } from "../api/models.ts";
import type { Inbox, InboxConsumer, InboxPosition, InboxSeek } from "./models.ts";
import { Resource } from "./resources.ts";
import { type CallOptions, path } from "./transport.ts";

/** Inboxes, their messages and their consumers. */
export class Inboxes extends Resource {
  list(options?: CallOptions): List<Inbox> {
    return this.listOf("/v1/inboxes", {}, options);
  }

  get(name: string, options?: CallOptions): Promise<Inbox> {
    return this.json({ method: "GET", path: path`/v1/inboxes/${name}` }, options);
  }

  /** Creates an inbox unless it exists. */
  put(name: string, options?: CallOptions): Promise<Inbox> {
    return this.json({ method: "PUT", path: path`/v1/inboxes/${name}` }, options);
  }

  delete(name: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/inboxes/${name}` }, options);
  }

  /** The next messages; waits up to `wait_s` seconds for one. Acknowledge the cursor afterwards. */
  messages(
    name: string,
    query: {
      readonly consumer?: string;
      readonly cursor?: string;
      readonly wait_s?: number;
      readonly limit?: number;
    } = {},
    options?: CallOptions,
  ): Promise<InboxMessages> {
    return this.json({ method: "GET", path: path`/v1/inboxes/${name}/messages`, query }, options);
  }

  /**
   * The messages as they come, without an end: `for await (const message of inboxes.stream("orders"))`. A
   * connection that breaks is made again behind the last message. Acknowledge what is done with.
   */
  stream(name: string, options: StreamOptions = {}): AsyncGenerator<InboxMessage, void, undefined> {
    return streamMessages(name, this.transport, options);
  }

  consumers(name: string, options?: CallOptions): List<InboxConsumer> {
    return this.listOf(path`/v1/inboxes/${name}/consumers`, {}, options);
  }

  /** Moves a consumer behind a cursor, never back. */
  ack(
    name: string,
    consumer: string,
    cursor: string,
    options?: CallOptions,
  ): Promise<InboxPosition> {
    const spec = { path: path`/v1/inboxes/${name}/consumers/${consumer}/ack`, body: { cursor } };
    return this.json({ method: "POST", ...spec, isRepeatable: true }, options);
  }

  /** Moves a consumer to a cursor, or to a time. */
  seek(
    name: string,
    consumer: string,
    to: InboxSeek,
    options?: CallOptions,
  ): Promise<InboxPosition> {
    const spec = { path: path`/v1/inboxes/${name}/consumers/${consumer}/seek`, body: to };
    return this.json({ method: "POST", ...spec, isRepeatable: true }, options);
  }

  deleteConsumer(name: string, consumer: string, options?: CallOptions): Promise<void> {
    const at = path`/v1/inboxes/${name}/consumers/${consumer}`;
    return this.json({ method: "DELETE", path: at }, options);
  }
}
