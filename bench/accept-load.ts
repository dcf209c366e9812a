import { BenchGateway } from "./gateway.ts";
import type { Load, LoadCommands, LoadResult } from "./load.ts";
import { WorkerProcess } from "./worker-process.ts";

type LoadRun = Pick<Load, "url" | "connections" | "durationMs" | "batch"> &
  Partial<Pick<Load, "perSecond">>;

/**
 * A gateway and somebody who subscribes. The connection is paused, so that the polls of the new
 * jobs do not count as the cost of accepting them.
 */
export class AcceptLoad implements AsyncDisposable {
  readonly gateway: BenchGateway;
  readonly #worker: WorkerProcess<LoadCommands>;
  readonly #subscription: string;
  #firstNumber = 0;

  private constructor(
    gateway: BenchGateway,
    worker: WorkerProcess<LoadCommands>,
    subscription: string,
  ) {
    this.gateway = gateway;
    this.#worker = worker;
    this.#subscription = subscription;
  }

  static async start(): Promise<AcceptLoad> {
    await using started = new AsyncDisposableStack();
    const gateway = started.use(await BenchGateway.start());
    const worker = started.use(await WorkerProcess.start<LoadCommands>("load.ts"));
    // The port is closed; the paused connection never polls it.
    const connection = await gateway.connect("accept", "http://127.0.0.1:9");
    await connection.setState("paused");
    const subscription = JSON.stringify({
      job_id: "bench-$NUMBER",
      callback_url: "http://127.0.0.1:9/never-called",
      provider: "pulse",
      connection: connection.name,
      metadata: { invoice: 17 },
    });
    started.move();
    return new AcceptLoad(gateway, worker, subscription);
  }

  /** @param run `url` is the gateway's, or that of what it is compared with */
  async run(run: LoadRun): Promise<LoadResult> {
    const result = await this.#worker.ask("run", {
      perSecond: null,
      ...run,
      apiKey: this.gateway.apiKey,
      subscription: this.#subscription,
      firstNumber: this.#firstNumber,
    });
    this.#firstNumber += result.operations;
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
  }
}
