import { gatewayEnvironment } from "../support/gateway-environment.ts";
import {
  type GatewayProcess,
  type ProcessExit,
  runMain,
  type RunningProcess,
  whenReady,
} from "../support/gateway-process.ts";

/** Several gateways on one database; each is started again by the fault that ended it. */
export class Nodes {
  readonly #env: Readonly<Record<string, string>>;
  readonly #running: (RunningProcess | null)[];
  readonly #urls: (string | null)[];
  readonly #ended = new WeakSet<RunningProcess>();
  /** Processes that ended though no fault of the run ended them, with their last words. */
  readonly deaths: string[] = [];

  /** @param database where they keep their data: `DATABASE_URL`, or `DATA_DIR` for the embedded one */
  constructor(database: Readonly<Record<string, string>>, count: number) {
    this.#running = Array.from({ length: count }, () => null);
    this.#urls = Array.from({ length: count }, () => null);
    const { DATABASE_URL: _, ...common } = gatewayEnvironment("");
    this.#env = {
      ...common,
      RINGBACK_MIGRATE: "1",
      ...database,
      LOG_LEVEL: "info",
      RINGBACK_CALLBACK_TIMEOUT_MS: "15000",
      RINGBACK_RETRY_SCHEDULE_S: "1,1,2,2,5,5,5,10,10,10,30,30,30",
      RINGBACK_DRAIN_MS: "500",
    };
  }

  get count(): number {
    return this.#running.length;
  }

  /** Where requests can be sent now. */
  get urls(): string[] {
    return this.#urls.filter((url) => url !== null);
  }

  /** Where a process takes requests now. */
  get readyPlaces(): number[] {
    return this.#urls.flatMap((url, place) => (url === null ? [] : [place]));
  }

  /** The process at this place, if one runs. */
  at(place: number): RunningProcess | null {
    return this.#running[place] ?? null;
  }

  /** Starts a process without waiting for it; it takes requests once it is ready. */
  launch(place: number, changes: Readonly<Record<string, string>> = {}): RunningProcess {
    const started = runMain({ ...this.#env, ...changes });
    this.#running[place] = started;
    void started.exit.then((exit) => this.#note(place, started, exit));
    void started.logged("Ringback is ready").then(
      ({ url }) => {
        if (this.#running[place] === started) this.#urls[place] = url;
      },
      // It ended before, which is noted.
      () => undefined,
    );
    return started;
  }

  /** Starts a process and waits until it is ready. */
  async start(
    place: number,
    changes: Readonly<Record<string, string>> = {},
  ): Promise<GatewayProcess> {
    const node = await whenReady(this.launch(place, changes));
    if (this.#running[place]?.pid === node.pid) this.#urls[place] = node.url;
    return node;
  }

  startAll(): Promise<GatewayProcess[]> {
    return Promise.all(this.#running.map((_, place) => this.start(place)));
  }

  /** Ends the process at this place as `kill -9` does. */
  async crash(place: number): Promise<void> {
    const node = this.#leave(place);
    await node?.crash();
  }

  /** Stops it in order; gives its exit code. */
  async stop(place: number): Promise<number | null> {
    const node = this.#leave(place);
    node?.kill("SIGTERM");
    return (await node?.exit)?.code ?? null;
  }

  /** A node that is stopped with SIGSTOP takes no requests. */
  freeze(place: number): void {
    this.#urls[place] = null;
    this.at(place)?.kill("SIGSTOP");
  }

  /** Starts those that do not run, and waits until all answer. */
  async heal(): Promise<void> {
    await Promise.all(
      this.#running.map(async (node, place) => {
        if (node === null) await this.start(place);
        else this.#urls[place] = (await whenReady(node)).url;
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((_, place) => this.crash(place)));
  }

  #leave(place: number): RunningProcess | null {
    const node = this.at(place);
    if (node !== null) this.#ended.add(node);
    this.#running[place] = null;
    this.#urls[place] = null;
    return node;
  }

  #note(place: number, node: RunningProcess, { code, signal, output }: ProcessExit): void {
    if (this.#running[place] === node) {
      this.#running[place] = null;
      this.#urls[place] = null;
    }
    if (this.#ended.has(node)) return;
    const end = output.trim().split("\n").slice(-3).join("\n");
    this.deaths.push(`code ${code}, signal ${signal}:\n${end}`);
  }
}
