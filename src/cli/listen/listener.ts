import { type Ringback, RingbackError } from "../../client/ringback.ts";
import { Connectivity } from "../frame/connectivity.ts";
import { type Output, shown } from "../frame/output.ts";
import { type ForwardedMessage, printDetails, printExchange, subjectOf } from "./exchanges.ts";
import {
  type FollowedInbox,
  followInbox,
  type FollowPorts,
  openInbox,
  readAgain,
} from "./follow-inbox.ts";
import { forward, type ForwardOptions } from "./forward.ts";
import type { Target } from "./targets.ts";

interface ListenerPorts {
  readonly ringback: Ringback;
  readonly out: Output;
  /** The gateway's, for people. */
  readonly url: string;
}

interface ListenerOptions {
  readonly targets: readonly Target[];
  /** The inbox of targets that name none; read even without targets. */
  readonly inbox: string;
  readonly consumer: string;
  /** Null for all of them. */
  readonly events: readonly string[] | null;
  /** Null to go on where the consumer was. */
  readonly from: string | null;
  readonly forwarding: Omit<ForwardOptions, "url">;
}

/** Ids of messages that were seen, to tell which come again. */
const SEEN_MAX = 10_000;

/** Forwards what comes into inboxes to receivers, and shows each exchange in a line. */
export class Listener {
  readonly #services: ListenerPorts;
  readonly #options: ListenerOptions;
  readonly #seen = new Set<string>();
  /** Exchanges that a person may want to see or repeat: one for each target of the last message. */
  #last: readonly ForwardedMessage[] = [];

  constructor(ports: ListenerPorts, options: ListenerOptions) {
    this.#services = ports;
    this.#options = options;
  }

  /**
   * Listens until the signal is aborted.
   * @param hasKeys whether a person can press keys
   * @throws {RingbackError} when going on is no use
   */
  async run(ports: Omit<FollowPorts, "ringback">, hasKeys: boolean): Promise<void> {
    const { ringback } = this.#services;
    const { consumer, from } = this.#options;
    const opened = [];
    for (const inbox of this.#inboxes()) {
      opened.push(await openInbox(ringback, { inbox, consumer, from }, ports.signal));
    }
    this.#greet(opened, hasKeys);
    const failed = new AbortController();
    const connectivity = new Connectivity(this.#services.out, this.#services.url, ports.now);
    const signal = AbortSignal.any([ports.signal, failed.signal]);
    const following = opened.map(async (inbox) => {
      try {
        await followInbox({ ...ports, ringback, signal }, inbox, {
          onMessage: (message, before) => this.#take({ inbox: inbox.inbox, before, message }),
          onLost: (error) => connectivity.lost(error),
          onBack: () => connectivity.back(),
        });
      } catch (error) {
        failed.abort();
        throw error;
      }
    });
    await Promise.all(following);
  }

  /** Sends the last message once more, with a new signature. */
  async resend(signal: AbortSignal): Promise<void> {
    const { out, ringback } = this.#services;
    const [last] = this.#last;
    if (last === undefined) return out.note("Nothing has been forwarded yet.");
    const { inbox, before, message } = last;
    try {
      const again = await readAgain(ringback, { inbox, before, id: message.webhook_id }, signal);
      if (again === null) return out.note("The message is not kept any more.");
      const urls = this.#last.map(({ url }) => url);
      await this.#forward({ inbox, before, message: again }, urls, true);
    } catch (error) {
      if (!(error instanceof RingbackError)) throw error;
      out.note(`${out.paintNote("red", "Not sent again:")} ${shown(error.message)}`);
    }
  }

  /** Shows the last exchange as a whole. */
  showLast(): void {
    if (this.#last.length === 0) this.#services.out.note("Nothing has been forwarded yet.");
    for (const exchange of this.#last) printDetails(exchange, this.#services.out);
  }

  #inboxes(): ReadonlySet<string> {
    const { targets, inbox } = this.#options;
    const named = targets.map((target) => target.inbox ?? inbox);
    return new Set(named.length === 0 ? [inbox] : named);
  }

  #urlsOf(inbox: string): string[] {
    const { targets, inbox: fallback } = this.#options;
    return targets.filter((target) => (target.inbox ?? fallback) === inbox).map(({ url }) => url);
  }

  #greet(
    opened: readonly (FollowedInbox & { readonly isResumed: boolean })[],
    hasKeys: boolean,
  ): void {
    const { out, url } = this.#services;
    for (const { inbox, consumer, isResumed } of opened) {
      const since = isResumed ? "going on where it was" : "from now on";
      out.note(`Listening to the inbox ${inbox} at ${url} as ${consumer}, ${since}.`);
      out.note(`  Subscribe with "inbox": "${inbox}" in place of callback_url.`);
      for (const target of this.#urlsOf(inbox)) out.note(`  → ${target}`);
    }
    if (hasKeys) out.note("Keys: r sends the last one again, d shows it, q quits.");
  }

  async #take(of: Pick<ForwardedMessage, "inbox" | "before" | "message">): Promise<void> {
    const { events } = this.#options;
    const { webhook_id: id } = of.message;
    const { type, jobId } = subjectOf(of.message);
    if (events !== null && !events.includes(type)) return;
    const isRepeated = this.#seen.has(id);
    this.#remember(id);
    const urls = this.#urlsOf(of.inbox);
    if (urls.length > 0) return this.#forward(of, urls, isRepeated);
    const { out } = this.#services;
    if (out.isJson) out.printJson(of.message.body);
    else
      out.print(shown(`${new Date().toISOString().slice(11, 19)}  ${type}  ${jobId ?? ""}  ${id}`));
  }

  async #forward(
    of: Pick<ForwardedMessage, "inbox" | "before" | "message">,
    urls: readonly string[],
    isRepeated: boolean,
  ): Promise<void> {
    const { out } = this.#services;
    const { forwarding, targets } = this.#options;
    const exchanges = await Promise.all(
      urls.map(async (url) => {
        const outcome = await forward(of.message, { ...forwarding, url });
        const exchange: ForwardedMessage = { ...of, url, outcome, isRepeated };
        printExchange(exchange, out, targets.length > 1);
        return exchange;
      }),
    );
    this.#last = exchanges;
  }

  #remember(id: string): void {
    this.#seen.add(id);
    const [oldest] = this.#seen;
    if (this.#seen.size > SEEN_MAX && oldest !== undefined) this.#seen.delete(oldest);
  }
}
