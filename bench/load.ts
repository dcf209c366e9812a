import { BareConnection } from "./bare-connection.ts";
import { machineClockMs } from "./machine-clock.ts";
import { serveCommands } from "./worker-process.ts";

/** POSTs subscriptions, on connections that carry one request at a time. */

export interface Load {
  readonly url: string;
  readonly apiKey: string;
  readonly connections: number;
  readonly durationMs: number;
  /**
   * JSON of a subscription in which `$NUMBER` is replaced by a number that is used once, and
   * `$BEGIN_AT_MS` by when its request is to begin, by the machine's clock.
   */
  readonly subscription: string;
  readonly firstNumber: number;
  /** Subscriptions a request, sent to the batch endpoint; null for single ones. */
  readonly batch: number | null;
  /** Requests that begin each second, whether those before are answered or not; null for as many as go. */
  readonly perSecond: number | null;
}

export interface LoadResult {
  /** Accepted subscriptions. */
  readonly operations: number;
  readonly elapsedMs: number;
  /** One a request; with `perSecond` from when it should have begun. */
  readonly latenciesMs: readonly number[];
}

const commands = { run };
export type LoadCommands = typeof commands;

serveCommands(commands);

async function run(load: Load): Promise<LoadResult> {
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => BareConnection.open(load.url)),
  );
  const latenciesMs: number[] = [];
  const post = poster(load, latenciesMs);
  const startedAt = performance.now();
  try {
    if (load.perSecond === null) await saturate(connections, load.durationMs, post);
    else await pace(connections, load.durationMs, load.perSecond, post);
  } finally {
    for (const connection of connections) connection.close();
  }
  return {
    operations: latenciesMs.length * (load.batch ?? 1),
    elapsedMs: performance.now() - startedAt,
    latenciesMs,
  };
}

type Post = (connection: BareConnection, beginAt: number) => Promise<void>;

/** Closed loop: each connection sends its next request when it has got its answer. */
async function saturate(
  connections: readonly BareConnection[],
  durationMs: number,
  post: Post,
): Promise<void> {
  const endAt = performance.now() + durationMs;
  await Promise.all(
    connections.map(async (connection) => {
      for (let now = performance.now(); now < endAt; now = performance.now()) {
        await post(connection, now);
      }
    }),
  );
}

/** Open loop: what waits for a free connection waits on the gateway's account. */
async function pace(
  connections: readonly BareConnection[],
  durationMs: number,
  perSecond: number,
  post: Post,
): Promise<void> {
  const startAt = performance.now();
  const requests = Math.round((perSecond * durationMs) / 1000);
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < requests) {
        const beginAt = startAt + (next * 1000) / perSecond;
        next += 1;
        const waitMs = beginAt - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        await post(connection, beginAt);
      }
    }),
  );
}

function poster(load: Load, latenciesMs: number[]): Post {
  const { url, apiKey, subscription, batch } = load;
  const path = batch === null ? "/v1/subscriptions" : "/v1/subscriptions/batch";
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\nauthorization: Bearer ${apiKey}\r\n` +
    "content-type: application/json\r\ncontent-length: ";
  // Cut up once: the text between the numbers.
  const parts = subscription.split("$NUMBER");
  let number = load.firstNumber;
  const one = (): string => parts.join(String((number += 1)));
  const many = (): string =>
    `{"subscriptions":[${Array.from({ length: batch ?? 0 }, one).join()}]}`;
  return async (connection, beginAt) => {
    const text = batch === null ? one() : many();
    const body = text.replace("$BEGIN_AT_MS", () => String(toMachineClockMs(beginAt)));
    const answer = await connection.exchange(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    latenciesMs.push(performance.now() - beginAt);
    const isAccepted =
      batch === null
        ? answer.status === 201
        : answer.body.split('"status":201,').length === batch + 1;
    if (!isAccepted) throw new Error(`${answer.status}: ${answer.body.slice(0, 2000)}`);
  };
}

function toMachineClockMs(atMs: number): number {
  return machineClockMs() + atMs - performance.now();
}
