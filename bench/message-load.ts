import { BenchGateway } from "./gateway.ts";
import type { LoadCommands } from "./load.ts";
import type { RawRelayCommands } from "./raw-relay.ts";
import type { ReceiverCommands } from "./receiver.ts";
import { until } from "./until.ts";
import type { UpstreamCommands } from "./upstream.ts";
import { WorkerProcess } from "./worker-process.ts";

/**
 * How a message comes about: as a subscription to a job that has ended already, or to a job of its
 * own that turns out to have ended when it is polled for the first time.
 */
export type MessageKind = "late" | "ordinary";

export interface Messages {
  readonly count: number;
  /** From when a subscription should have been sent to its callback, in milliseconds. */
  readonly lagsMs: readonly number[];
}

export interface RawRelay extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** Subscriptions one by one, each of which is a callback at once: the gateway as a sender of webhooks. */
export class MessageLoad implements AsyncDisposable {
  readonly gateway: BenchGateway;
  readonly #worker: WorkerProcess<LoadCommands>;
  readonly #receiver: WorkerProcess<ReceiverCommands>;
  readonly #upstream: WorkerProcess<UpstreamCommands>;
  readonly #upstreamUrl: string;
  readonly #subscriptions: Readonly<Record<MessageKind, string>>;
  #firstNumber = 1;

  private constructor(parts: {
    readonly gateway: BenchGateway;
    readonly worker: WorkerProcess<LoadCommands>;
    readonly receiver: WorkerProcess<ReceiverCommands>;
    readonly upstream: WorkerProcess<UpstreamCommands>;
    readonly upstreamUrl: string;
    readonly subscriptions: Readonly<Record<MessageKind, string>>;
  }) {
    this.gateway = parts.gateway;
    this.#worker = parts.worker;
    this.#receiver = parts.receiver;
    this.#upstream = parts.upstream;
    this.#upstreamUrl = parts.upstreamUrl;
    this.#subscriptions = parts.subscriptions;
  }

  static async start(): Promise<MessageLoad> {
    await using started = new AsyncDisposableStack();
    const upstream = started.use(await WorkerProcess.start<UpstreamCommands>("upstream.ts"));
    const receiver = started.use(await WorkerProcess.start<ReceiverCommands>("receiver.ts"));
    const worker = started.use(await WorkerProcess.start<LoadCommands>("load.ts"));
    const gateway = started.use(await BenchGateway.start());
    const upstreamUrl = await upstream.ask("listen", undefined);
    const connection = await gateway.connect("messages", upstreamUrl);
    await upstream.ask("complete", { result: { pages: 3 } });
    const [origin = ""] = await receiver.ask("listen", { origins: 1 });
    const subscription = (jobId: string): string =>
      `{"job_id":"${jobId}","callback_url":"${origin}/hooks","provider":"pulse",` +
      `"connection":"${connection.name}","metadata":{"begun_at_ms":$BEGIN_AT_MS}}`;
    const ended = { job_id: "bench-0", callback_url: `${origin}/hooks` };
    await gateway.subscribe(connection, [ended]);
    await until("the job has ended", async () => (await receiver.ask("answered", undefined)) === 1);
    const subscriptions = {
      late: subscription("bench-0"),
      ordinary: subscription("bench-$NUMBER"),
    };
    started.move();
    return new MessageLoad({ gateway, worker, receiver, upstream, upstreamUrl, subscriptions });
  }

  /** The least program that could do the same, on the gateway's upstream, receiver and Postgres. */
  async startRawRelay(): Promise<RawRelay> {
    const worker = await WorkerProcess.start<RawRelayCommands>("raw-relay.ts");
    try {
      const url = await worker.ask("listen", {
        apiKey: this.gateway.apiKey,
        databaseUrl: (await this.gateway.postgres()).url,
        upstreamUrl: this.#upstreamUrl,
      });
      return { url, pid: worker.pid, [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose]() };
    } catch (error) {
      await worker[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Sends for a time and waits until all callbacks are taken.
   * @param perSecond null for as many as go
   * @param url another program than the gateway that takes the subscriptions
   */
  async send(
    kind: MessageKind,
    load: {
      readonly connections: number;
      readonly durationMs: number;
      readonly perSecond: number | null;
    },
    url = this.gateway.url,
  ): Promise<Messages> {
    const answeredBefore = await this.#receiver.ask("answered", undefined);
    await this.#receiver.ask("timeLags", undefined);
    const { operations: count } = await this.#worker.ask("run", {
      ...load,
      batch: null,
      url,
      apiKey: this.gateway.apiKey,
      subscription: this.#subscriptions[kind],
      firstNumber: this.#firstNumber,
    });
    this.#firstNumber += count;
    await until("all callbacks are taken", async () => {
      return (await this.#receiver.ask("answered", undefined)) - answeredBefore >= count;
    });
    return { count, lagsMs: await this.#receiver.ask("lagsMs", undefined) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.#worker[Symbol.asyncDispose]();
    await this.#receiver[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
  }
}
