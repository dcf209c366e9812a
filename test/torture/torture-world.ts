import { vi } from "vitest";
import { type FakeUpstream, startFakeUpstream } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { breaches, connect } from "../support/process-scene.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import type { TortureDatabase } from "./cluster.ts";
import type { Fault } from "./faults.ts";
import { Nodes } from "./nodes.ts";
import { seededRandom } from "./seeded-random.ts";
import { Stream, type Tally } from "./stream.ts";

/** How long after a fault everything accepted must have been heard. */
const HEARD_WITHIN_MS = 240_000;

export interface TortureOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly perSecond: number;
}

/** Gateways, a database, an upstream, a receiver and a stream of subscriptions. */
export interface TortureWorld<Database extends TortureDatabase> {
  readonly cluster: Database;
  readonly nodes: Nodes;
  readonly upstream: FakeUpstream;
  readonly receiver: Receiver;
  readonly random: () => number;
  /** Runs a fault beside the stream; gives what became of the stream once all is healed. */
  suffer(
    fault: Fault<Database>,
    forMs: number,
  ): Promise<Tally & { readonly deaths: readonly string[] }>;
  /** Violated invariants in the database. */
  breaches(): Promise<string[]>;
  close(): Promise<void>;
}

/** @param cluster is closed with the world */
export async function openTortureWorld<Database extends TortureDatabase>(
  cluster: Database,
  options: TortureOptions,
): Promise<TortureWorld<Database>> {
  const random = seededRandom(options.seed);
  const [upstream, receiver] = await Promise.all([
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  const nodes = new Nodes(cluster.env, options.nodes);
  const [first] = await nodes.startAll();
  if (first === undefined) throw new Error("no node was started");
  await connect(first, upstream);
  const stream = new Stream({
    upstream,
    receiver,
    random,
    perSecond: options.perSecond,
    urls: () => nodes.urls,
  });
  return {
    cluster,
    nodes,
    upstream,
    receiver,
    random,
    async suffer(fault, forMs) {
      const from = stream.accepted;
      const deathsBefore = nodes.deaths.length;
      stream.start();
      await fault.run({ cluster, nodes, upstream, receiver, random }, forMs);
      await nodes.heal();
      await stream.stop();
      await vi
        .waitFor(
          () => {
            const { accepted, heard } = stream.tally(from);
            if (heard < accepted) throw new Error(`${heard} of ${accepted} were heard`);
          },
          { timeout: HEARD_WITHIN_MS, interval: 250 },
        )
        .catch(() => undefined);
      return { ...stream.tally(from), deaths: nodes.deaths.slice(deathsBefore) };
    },
    breaches: () => cluster.inspect(breaches),
    async close() {
      await nodes.close();
      await Promise.all([upstream.close(), receiver.close()]);
      await cluster.close();
    },
  };
}
