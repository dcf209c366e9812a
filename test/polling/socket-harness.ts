import { TestLimits } from "../support/project-limits.ts";
import type { Socket } from "node:net";
import { onTestFinished, vi } from "vitest";
import { planMemory } from "../../src/core/limits/machine-plan.ts";
import { Poller } from "../../src/polling/poller.ts";
import type { LiveJobView } from "../../src/polling/watch/list.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import type { EventRow } from "../../src/store/writes/record-events.ts";
import { openClient, serveTcp } from "../outbound/local-servers.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { Arrivals } from "../support/arrivals.ts";
import { uuids } from "../support/rows.ts";
import { NO_FETCHED_RESULTS } from "./poller-harness.ts";
import { CREDENTIAL, liveJob, openBox, storedConnection, NO_CEILINGS } from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

/** Answers a request with bytes, or acts on the socket itself. */
export type SocketAnswer = string | Buffer | ((socket: Socket, request: string) => void);

/** A poller, real sockets, and an upstream of which the test writes every byte. */
export async function startSocketPoller(
  definition: Partial<ProviderDefinitionSource> = {},
  { credential = CREDENTIAL, concurrency = 4 } = {},
) {
  const answers = new Map<string, SocketAnswer>();
  const asked = new Arrivals<string>("requests");
  const server = await serveTcp((socket, _, chunk) => {
    const request = chunk.toString("latin1");
    const path = request.split(" ")[1] ?? "";
    asked.push(path);
    const answer = answers.get(path) ?? httpAnswer("{}", 404);
    if (typeof answer === "function") answer(socket, request);
    else socket.write(answer);
  });
  const provider = exampleProvider({ base_url: server.origin, ...definition });
  const client = openClient();
  /** One for each answer that has been dealt with. */
  const passes = new Arrivals<null>("answers");
  const recorded = new Arrivals<EventRow>("events");
  const runtime = testRuntime({ random: () => 0, uuids });
  const poller = new Poller(runtime, {
    providers: { current: () => provider, ofJob: () => provider },
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    limits: new TestLimits(),
    memory: planMemory(2 ** 30),
    upstreamClient: { connectionsPerOriginMax: 2048, send: (request) => client.send(request) },
    writers: {
      recordEvent(row) {
        recorded.push(row);
        return Promise.resolve({ recorded: true, owed: [], fanOut: null });
      },
    },
    fanOuts: { begin: () => undefined },
    endingWaits: { ended: () => undefined },
    deliveryLoop: { enqueue: () => undefined },
    connectionStates: {
      pause: () => Promise.resolve(),
      claimProbe: () => Promise.resolve(false),
      resume: () => Promise.resolve(),
    },
    shards: { has: () => true },
    jobs: { load: () => Promise.resolve([]), canPoll: () => true },
    fetched: NO_FETCHED_RESULTS,
    operationalEvents: { publish: () => undefined },
  });
  vi.spyOn(runtime.metrics.polls, "add").mockImplementation(
    () => void setImmediate(() => passes.push(null)),
  );
  onTestFinished(async () => {
    await client.close(0);
    await poller.stop();
  });
  const settings = { poll_interval_s: 0.02, limits: { concurrency } };
  const connection = { provider: provider.name, baseUrl: null, credential, settings };
  poller.watches.configureConnection(storedConnection(connection));
  const view = (job: LiveJob): LiveJobView | null => poller.watches.view(job.shardId, job.id);
  return {
    origin: server.origin,
    poller,
    /** From now on this path is answered so. */
    answer: (path: string, answer: SocketAnswer) => void answers.set(path, answer),
    /** Watches a job whose polls are answered so. */
    add(answer: SocketAnswer, changes: Partial<LiveJob> = {}): LiveJob {
      const job = liveJob(Date.now(), { provider: provider.name, ...changes });
      answers.set(`/jobs/${job.jobId}`, answer);
      poller.watches.watch(job, "at_once");
      return job;
    },
    view,
    /** Resolves as soon as the job is as wished after an answer. */
    async until(job: LiveJob, isReached: (view: LiveJobView | null) => boolean): Promise<void> {
      await passes.first(1, () => isReached(view(job)));
    },
    /** `count` more requests for this path than there are now. */
    async askedAgain(path: string, count: number): Promise<void> {
      const before = asked.matching((one) => one === path).length;
      await asked.first(before + count, (one) => one === path);
    },
    /** The job's ending, as soon as it is recorded. */
    async ending(job: LiveJob): Promise<EventRow | undefined> {
      return (await recorded.first(1, (row) => row.jobRowId === job.id))[0];
    },
  };
}

/** A whole answer as it goes over the wire. */
export function httpAnswer(
  body: string | Buffer,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const bytes = Buffer.from(body);
  const fields = {
    "content-type": "application/json",
    "content-length": `${bytes.length}`,
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join("")}\r\n`), bytes]);
}
