import type { AttackerCommands } from "../attacker.ts";
import type { BenchConnection, BenchGateway, BenchSubscription } from "../gateway.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { UpstreamCommands } from "../upstream.ts";
import type { WorkerProcess } from "../worker-process.ts";

/** The attacks that the quiet project of `fairness.ts` is measured beside. */

/** Setup requests may be refused while the machine is still busy with the previous attack. */
const SUBSCRIBE_ATTEMPTS_MAX = 5;
const SUBSCRIBED_AT_ONCE = 500;
const SUBSCRIBERS = { full: 20_000, quick: 4000 };
const HANGING = { full: 2000, quick: 500 };

export interface Scene {
  readonly mode: "full" | "quick";
  readonly gateway: BenchGateway;
  /** The attacking project's way in, and its connection to an upstream of its own. */
  readonly attacker: { readonly apiKey: string; readonly connection: BenchConnection };
  readonly upstream: WorkerProcess<UpstreamCommands>;
  /** Takes whatever comes. */
  readonly receiver: string;
  /** Takes requests and never answers. */
  readonly silent: string;
  readonly client: WorkerProcess<AttackerCommands>;
  /** A server that does nothing but answer, to see what the attacker takes of the machine by itself. */
  readonly idler: WorkerProcess<ReceiverCommands>;
  readonly idlerOrigin: string;
}

/** Something one project or a stranger does for as long as the other is measured. */
export interface Attack {
  readonly name: string;
  /** True when it goes on after a restart of the gateway, because the gateway has stored it. */
  readonly isStored: boolean;
  /**
   * Begins it, or adds to it: called before every window, so that none is measured after it is over.
   * @param round another number each time
   */
  begin(scene: Scene, round: number): Promise<void>;
  end?(scene: Scene): Promise<void>;
  /** The flood that it is, which a server that does nothing can be flooded with as well. */
  readonly flood?: Flood;
}

export interface Flood {
  readonly path: string;
  readonly concurrency: number;
  /** Null for made-up keys. */
  readonly keyOf: (scene: Scene) => string | null;
}

const flood = (name: string, path: string, concurrency: number, keyOf: Flood["keyOf"]): Attack => ({
  name,
  isStored: false,
  begin: (scene) => beginFlood({ path, concurrency, keyOf }, scene, scene.gateway.url),
  end: (scene) => scene.client.ask("stop", undefined),
  flood: { path, concurrency, keyOf },
});

export const beginFlood = (
  { path, concurrency, keyOf }: Flood,
  scene: Scene,
  origin: string,
): Promise<void> =>
  scene.client.ask("flood", { url: origin + path, apiKey: keyOf(scene), concurrency });

export const ATTACKS: readonly Attack[] = [
  {
    name: "many_subscribers",
    isStored: true,
    async begin(scene, round) {
      const { gateway, attacker, receiver, mode } = scene;
      const wishes = Array.from({ length: SUBSCRIBERS[mode] }, (_, index) => ({
        job_id: `popular-${round}`,
        callback_url: `${receiver}/popular-${index}`,
      }));
      await scene.upstream.ask("hold", undefined);
      await subscribeAll(gateway, attacker.connection, wishes, attacker.apiKey);
      await scene.upstream.ask("complete", { result: null });
    },
  },
  {
    name: "silent_receivers",
    isStored: true,
    async begin({ gateway, attacker, upstream, silent, mode }, round) {
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `unheard-${round}-${index}`,
        callback_url: `${silent}/unheard-${index}`,
      }));
      await upstream.ask("hold", undefined);
      await subscribeAll(gateway, attacker.connection, wishes, attacker.apiKey);
      await upstream.ask("complete", { result: null });
    },
  },
  {
    name: "silent_upstream",
    isStored: true,
    async begin({ gateway, attacker, receiver, silent, mode }, round) {
      const connection = await gateway.connect(`silent-${round}`, silent, {}, attacker.apiKey);
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `unanswered-${round}-${index}`,
        callback_url: `${receiver}/unanswered-${index}`,
      }));
      await subscribeAll(gateway, connection, wishes, attacker.apiKey);
    },
  },
  {
    name: "unknown_names",
    isStored: true,
    async begin({ gateway, attacker, upstream, mode }, round) {
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `lost-${round}-${index}`,
        callback_url: `https://host-${round}-${index}.invalid/lost`,
      }));
      await upstream.ask("hold", undefined);
      await subscribeAll(gateway, attacker.connection, wishes, attacker.apiKey);
      await upstream.ask("complete", { result: null });
    },
  },
  flood("guessed_keys", "/v1/subscriptions", 100, () => null),
  flood("requests", "/v1/project", 100, ({ attacker }) => attacker.apiKey),
  flood(
    "filtered_lists",
    "/v1/subscriptions?status=delivered&limit=100",
    40,
    ({ attacker }) => attacker.apiKey,
  ),
];

/** Subscribes, in several attempts if it must be: subscribing twice to a job changes no figure. */
export async function subscribeAll(
  gateway: BenchGateway,
  connection: BenchConnection,
  wishes: readonly BenchSubscription[],
  apiKey: string,
): Promise<void> {
  for (let start = 0; start < wishes.length; start += SUBSCRIBED_AT_ONCE) {
    const some = wishes.slice(start, start + SUBSCRIBED_AT_ONCE);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await gateway.subscribe(connection, some, apiKey);
        break;
      } catch (error) {
        if (attempt === SUBSCRIBE_ATTEMPTS_MAX) throw error;
      }
    }
  }
}
