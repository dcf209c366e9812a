import { checkedApp } from "../support/checked-app.ts";
import { ApiKeyDirectory } from "../../src/cluster/api-keys/api-key-directory.ts";
import { readinessOf } from "../../src/core/readiness.ts";
import { Acceptor, acceptLookups } from "../../src/intake/acceptor.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { openDatabase } from "../../src/store/db/database.ts";
import { DatabaseMonitor } from "../../src/store/db/database-monitor.ts";
import { noLimit } from "../intake/no-limit.ts";
import { uuids } from "../support/rows.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { openWriters } from "../support/writers.ts";
import { ApiFixture } from "./api-fixture.ts";
import { READY } from "./fixture-answers.ts";
import { testRuntime } from "../support/runtime.ts";

const silent = createLog({ level: "silent", format: "json" });
/** More than enough for a request that is answered at all. */
const ANSWERED_WITHIN_MS = 60_000;

export interface Answered {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
  readonly headers: Headers;
  /** From its arrival to its answer, on the fake clock. */
  readonly tookMs: number;
}

/** The API with the real way from a request to its commit, whose database a test can take away. */
export async function openOutageScene() {
  const api = await ApiFixture.open();
  const { clock } = api;
  const address = new URL(api.databaseUrl);
  const proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(address.port) });
  address.port = String(proxy.port);
  const database = await openDatabase({
    url: address.href,
    connectionsMax: 4,
    statementTimeoutMs: 600_000,
    applicationName: "outage",
    clock,
    log: silent,
  });
  await database.openConnections();
  const monitor = new DatabaseMonitor(testRuntime({ clock, log: silent }), database);
  const writers = openWriters(database, { clock });
  const watched: string[] = [];
  const acceptor = new Acceptor(testRuntime({ clock, uuids, log: silent }), {
    ...noLimit,
    health: database.health,
    shards: { has: () => true },
    writers,
    lookups: acceptLookups(database),
    poller: { watchAccepted: (job) => void watched.push(job.jobId) },
    deliveryLoop: { enqueue: () => undefined, deliver: () => Promise.resolve() },
    commands: { send: () => Promise.resolve() },
  });
  const app = checkedApp({
    ...api.services,
    database,
    apiKeys: new ApiKeyDirectory(testRuntime({ clock, log: silent }), database),
    acceptor,
    readiness: () => readinessOf({ ...READY, database: database.health.condition }),
  });
  const key = await api.addKey(["admin"]);
  const ask = (method: string, path: string, body?: object, as = key): Promise<Response> =>
    Promise.resolve(
      app.request(path, {
        method,
        headers: {
          authorization: `Bearer ${as}`,
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
  return {
    api,
    clock,
    database,
    monitor,
    proxy,
    /** Job ids that were handed over. */
    watched,
    ask,
    /** Lets the fake clock run until the answer is there. */
    async interpretResponse(pending: Promise<Response>): Promise<Answered> {
      const from = clock.monotonic();
      let response: Response | null = null;
      void pending.then((came) => (response = came));
      const answered = (): Response | null => response;
      await clock.advanceSettling(0);
      while (answered() === null && clock.monotonic() - from < ANSWERED_WITHIN_MS) {
        await clock.advanceSettling(100);
      }
      const came = answered();
      if (came === null) throw new Error("not answered at all");
      const body: unknown = await came.json();
      return {
        status: came.status,
        body,
        headers: came.headers,
        tookMs: clock.monotonic() - from,
      };
    },
    async close(): Promise<void> {
      const stopped = Promise.all([monitor.stop(), writers.stop()]);
      await clock.advanceSettling(10_000);
      await stopped;
      await database.close(0);
      await this.proxy.close();
      await api.close();
    },
  };
}
