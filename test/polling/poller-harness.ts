import { TestLimits } from "../support/project-limits.ts";
import type { PollCeilings } from "../../src/core/limits/poll-ceilings.ts";
import { planMemory } from "../../src/core/limits/machine-plan.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../src/outbound/exchange/request-outcome.ts";
import { Poller } from "../../src/polling/poller.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";
import type { FetchClaim } from "../../src/store/jobs/fetched-results.ts";
import type { StoredConnection } from "../../src/store/connections/load-connections.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import type { EventRow, RecordedEvent } from "../../src/store/writes/record-events.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { builtInOnly } from "../support/providers.ts";
import { uuids } from "../support/rows.ts";
import { liveJob, NO_CEILINGS, openBox, RUNNING, storedConnection } from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

interface Sent {
  readonly origin: string;
  readonly path: string;
  readonly atMs: number;
  readonly key: string;
  readonly request: OutboundRequest;
}

interface Logged {
  readonly msg: string;
  readonly origin?: string;
}

type Answer = RequestOutcome | Promise<RequestOutcome>;

/**
 * A poller between an upstream and a store that answer as told, and a clock that waits.
 * @param provider instead of Pulse, for the connection and its jobs
 */
export function startPoller(
  connection: Partial<StoredConnection> = {},
  provider?: Provider,
  ceilings: PollCeilings = NO_CEILINGS,
) {
  const clock = new FakeClock();
  const startedAtMs = clock.now();
  const requests: Sent[] = [];
  const logged: Logged[] = [];
  const recorded: EventRow[] = [];
  const paused: { readonly version: number; readonly reason: string }[] = [];
  const resumedAtMs: number[] = [];
  const looked: { readonly shardId: number; readonly id: string }[] = [];
  const upstream = {
    answer: (_path: string, _poll: number, _origin: string, _key: string): Answer => RUNNING,
  };
  const ended = new Set<string>();
  const store = {
    // An ending is left by nothing, as in the database.
    record: (row: EventRow): Promise<RecordedEvent> => {
      const isFirst = !ended.has(row.jobRowId);
      if (isFirst) recorded.push(row);
      if (row.status !== "processing") ended.add(row.jobRowId);
      return Promise.resolve({ recorded: isFirst, owed: [], fanOut: null });
    },
    pause: (): Promise<void> => Promise.resolve(),
    claimProbe: (): boolean => true,
    fetched: { ...NO_FETCHED_RESULTS },
  };
  const poller = new Poller(
    testRuntime({
      clock,
      random: () => 0,
      uuids,
      log: createLog({
        level: "info",
        format: "json",
        destination: { write: (line) => void logged.push(JSON.parse(line) as Logged) },
      }),
    }),
    {
      providers: provider ? { current: () => provider, ofJob: () => provider } : builtInOnly(),
      secretBox: openBox,
      userAgent: "Ringback/test",
      ceilings,
      limits: new TestLimits(),
      memory: planMemory(2 ** 30),
      upstreamClient: {
        connectionsPerOriginMax: 2048,
        send(request: OutboundRequest) {
          const { origin, path, headers } = request;
          const key = headers["x-api-key"] ?? "";
          requests.push({ origin, path, atMs: clock.now() - startedAtMs, key, request });
          const poll = requests.filter((one) => one.path === path).length;
          return Promise.resolve(upstream.answer(path, poll, origin, key));
        },
      },
      fetched: store.fetched,
      writers: { recordEvent: (row) => store.record(row) },
      fanOuts: { begin: () => undefined },
      endingWaits: { ended: () => undefined },
      deliveryLoop: { enqueue: () => undefined },
      connectionStates: {
        claimProbe: () => Promise.resolve(store.claimProbe()),
        resume() {
          resumedAtMs.push(clock.now() - startedAtMs);
          return Promise.resolve();
        },
        pause(of, reason) {
          paused.push({ version: of.credentialVersion, reason });
          return store.pause();
        },
      },
      shards: { has: () => true },
      jobs: {
        load(keys) {
          looked.push(...keys);
          return Promise.resolve([]);
        },
        canPoll: () => true,
      },
      operationalEvents: { publish: () => undefined },
    },
  );
  /** Another connection beside that of the poller. */
  const connect = (changes: Partial<StoredConnection>): void => {
    poller.watches.configureConnection(storedConnection(changes));
  };
  const configure = (changes: Partial<StoredConnection> = {}): void => {
    const of = { provider: provider?.name ?? "pulse", ...connection, ...changes };
    poller.watches.configureConnection(storedConnection(of));
  };
  configure();
  const add = (changes: Partial<LiveJob> = {}): LiveJob => {
    const job = liveJob(clock.now(), { provider: provider?.name ?? "pulse", ...changes });
    poller.watches.watch(job, "at_once");
    return job;
  };
  const pollTimes = (job: LiveJob) =>
    requests.filter(({ path }) => path === `/job/${job.jobId}`).map(({ atMs }) => atMs);
  return {
    clock,
    poller,
    requests,
    logged,
    recorded,
    paused,
    resumedAtMs,
    looked,
    upstream,
    store,
    configure,
    connect,
    add,
    pollTimes,
  };
}

export const NO_FETCHED_RESULTS = {
  bytesMax: 1024,
  claim: (): Promise<FetchClaim> => Promise.resolve({ kind: "claimed", brokeOffBefore: false }),
  renewClaim: () => Promise.resolve(),
  letGo: () => Promise.resolve(),
  storePart: () => Promise.resolve(),
  keep: () => Promise.resolve(),
  forget: () => Promise.resolve(),
  discardParts: () => Promise.resolve(),
};
