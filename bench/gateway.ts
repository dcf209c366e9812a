import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import postgres from "postgres";
import { startTemporaryGateway, type TemporaryGateway } from "../src/sandbox/temporary-gateway.ts";
import { findPostgres, stopLeftBehindPostgres, type FoundPostgres } from "./found-postgres.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "./temporary-directory.ts";

/** Requests in progress at once, in the gateway and in the loop it is compared with. */
export const POLL_CONCURRENCY = 128;

export interface BenchConnection {
  readonly id: string;
  readonly name: string;
  setState(state: "active" | "paused"): Promise<void>;
}

/** Defaults of a connection: each job is polled again as soon as the gateway allows. */
const CONNECTION_SETTINGS = {
  poll_interval_s: 0.01,
  limits: { concurrency: POLL_CONCURRENCY },
};
const START_MS_MAX = 60_000;
const LOOK_INTERVAL_MS = 10;
const LOOKS = 100;
const BATCH_MAX = 1000;

export interface BenchSubscription {
  readonly job_id: string;
  readonly callback_url: string;
}

/** The gateway under test, as a process of its own and through its public API. */
export class BenchGateway implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;
  readonly #settings: Readonly<Record<string, string>>;
  #gateway: TemporaryGateway | null = null;

  private constructor(directory: TemporaryDirectory, settings: Readonly<Record<string, string>>) {
    this.#directory = directory;
    this.#settings = settings;
  }

  /** @param settings environment, besides what every scenario needs */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<BenchGateway> {
    const gateway = new BenchGateway(await createTemporaryDirectory(), settings);
    try {
      await gateway.start();
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts it again after `stop`, on the same data; its address and key are others then. */
  async start(): Promise<void> {
    const gateway = await startTemporaryGateway({
      env: process.env,
      settings: {
        DATA_DIR: this.#dataDir,
        RINGBACK_EGRESS_ALLOW: "127.0.0.0/8",
        RINGBACK_POLL_INTERVAL_MS_MIN: "10",
        LOG_LEVEL: "warn",
        ...this.#settings,
      },
      isReady,
      signal: AbortSignal.timeout(START_MS_MAX),
    });
    this.#gateway = gateway;
    process.once("exit", this.#endWithBenchmark);
  }

  async stop(): Promise<void> {
    process.off("exit", this.#endWithBenchmark);
    await this.#gateway?.stop();
    this.#gateway = null;
    await stopLeftBehindPostgres(this.#dataDir);
  }

  /** `kill -9`: its Postgres, if it is embedded, is left running. */
  async kill(): Promise<void> {
    process.off("exit", this.#endWithBenchmark);
    const { pid, stop } = this.#running;
    process.kill(pid, "SIGKILL");
    await stop();
    this.#gateway = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#directory[Symbol.asyncDispose]();
  }

  get url(): string {
    return this.#running.url;
  }

  get apiKey(): string {
    return this.#running.apiKey;
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** Its embedded Postgres: to look at what is written, and at what that costs. */
  postgres(): Promise<FoundPostgres> {
    return findPostgres(this.#dataDir);
  }

  /** A connection to that Postgres, to be closed with `end`. */
  async openDatabase(): Promise<postgres.Sql> {
    return postgres((await this.postgres()).url, { max: 1, onnotice: () => {} });
  }

  /** A number on `/metrics`; those of one name under several labels are added up. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, "gm"));
    return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** A connection of provider `pulse`; `settings` as in the API, over those of every scenario. */
  async connect(
    name: string,
    baseUrl: string,
    settings: object = {},
    apiKey = this.apiKey,
  ): Promise<BenchConnection> {
    const body = {
      provider: "pulse",
      name,
      credential: "bench",
      base_url: baseUrl,
      settings: { ...CONNECTION_SETTINGS, ...settings },
    };
    const { id } = (await this.call("POST", "/v1/connections", body, apiKey)) as { id: string };
    return {
      id,
      name,
      setState: async (state) => {
        await this.call("PATCH", `/v1/connections/${id}`, { state }, apiKey);
      },
    };
  }

  async subscribe(
    connection: BenchConnection,
    wishes: readonly BenchSubscription[],
    apiKey = this.apiKey,
  ): Promise<void> {
    for (let start = 0; start < wishes.length; start += BATCH_MAX) {
      const subscriptions = wishes
        .slice(start, start + BATCH_MAX)
        .map(({ job_id, callback_url }) => ({
          job_id,
          callback_url,
          provider: "pulse",
          connection: connection.name,
        }));
      const { results } = (await this.call(
        "POST",
        "/v1/subscriptions/batch",
        { subscriptions },
        apiKey,
      )) as { results: readonly { status: number }[] };
      const refused = results.find(({ status }) => status !== 201);
      if (refused !== undefined) throw new Error(`Not accepted: ${JSON.stringify(refused)}`);
    }
  }

  /** @param apiKey the first project's unless given */
  async call(method: string, path: string, body?: object, apiKey = this.apiKey): Promise<unknown> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  get #dataDir(): string {
    return join(this.#directory.path, "data");
  }

  get #running(): TemporaryGateway {
    if (this.#gateway === null) throw new Error("The gateway does not run.");
    return this.#gateway;
  }

  /** The last resort when the benchmark ends without having stopped it. */
  readonly #endWithBenchmark = (): void => {
    if (this.#gateway !== null) process.kill(this.#gateway.pid, "SIGTERM");
  };
}

/** Looks often for a while, so that it is known to a hundredth of a second when it got ready. */
async function isReady(url: string): Promise<boolean> {
  for (let look = 1; look <= LOOKS; look += 1) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return true;
    await wait(LOOK_INTERVAL_MS);
  }
  return false;
}
