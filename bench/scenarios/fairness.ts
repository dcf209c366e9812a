import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import type { AttackerCommands } from "../attacker.ts";
import { atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway, type BenchConnection } from "../gateway.ts";
import { quantile } from "../measure.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const ENDINGS_PER_SECOND = 50;
const REQUEST_INTERVAL_MS = 50;
const SETTLE_MS = 2000;
const MEASURE_MS = { full: 10_000, quick: 3000 };
/** As many polls a second as there are jobs, so that some job is polled whenever an ending is due. */
const POLL_INTERVAL_S = 1;
const SPARE_JOBS = 1000;
/** Beside an attack, the quiet project may wait for twice as long as without. */
const RATIO_MAX = 2;
/** Below it, a ratio says more about the machine than about the gateway. */
const QUIET_P99_MS_MIN = 20;
const SUBSCRIBERS = { full: 20_000, quick: 4000 };
const HANGING = { full: 2000, quick: 500 };
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

interface Scene {
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
}

/** Something one project or a stranger does for as long as the other is measured. */
interface Attack {
  readonly name: string;
  begin(scene: Scene): Promise<void>;
  end?(scene: Scene): Promise<void>;
}

const flood = (
  name: string,
  path: string,
  concurrency: number,
  keyOf: (scene: Scene) => string | null,
): Attack => ({
  name,
  begin: (scene) =>
    scene.client.ask("flood", {
      url: scene.gateway.url + path,
      apiKey: keyOf(scene),
      concurrency,
    }),
  end: (scene) => scene.client.ask("stop", undefined),
});

const ATTACKS: readonly Attack[] = [
  {
    name: "many_subscribers",
    async begin(scene) {
      const { gateway, attacker, receiver, mode } = scene;
      const wishes = Array.from({ length: SUBSCRIBERS[mode] }, (_, index) => ({
        job_id: "popular-1",
        callback_url: `${receiver}/popular-${index}`,
      }));
      await gateway.subscribe(attacker.connection, wishes, attacker.apiKey);
      await scene.upstream.ask("complete", { result: null });
    },
    end: (scene) => scene.upstream.ask("hold", undefined),
  },
  {
    name: "silent_receivers",
    async begin({ gateway, attacker, upstream, silent, mode }) {
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `unheard-${index}`,
        callback_url: `${silent}/unheard-${index}`,
      }));
      await gateway.subscribe(attacker.connection, wishes, attacker.apiKey);
      await upstream.ask("complete", { result: null });
    },
    end: (scene) => scene.upstream.ask("hold", undefined),
  },
  {
    name: "silent_upstream",
    async begin({ gateway, attacker, receiver, silent, mode }) {
      const connection = await gateway.connect("silent", silent, {}, attacker.apiKey);
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `unanswered-${index}`,
        callback_url: `${receiver}/unanswered-${index}`,
      }));
      await gateway.subscribe(connection, wishes, attacker.apiKey);
    },
  },
  {
    name: "unknown_names",
    async begin({ gateway, attacker, upstream, mode }) {
      const wishes = Array.from({ length: HANGING[mode] }, (_, index) => ({
        job_id: `lost-${index}`,
        callback_url: `https://host-${index}.invalid/lost`,
      }));
      await gateway.subscribe(attacker.connection, wishes, attacker.apiKey);
      await upstream.ask("complete", { result: null });
    },
    end: (scene) => scene.upstream.ask("hold", undefined),
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

/** A quiet project's figures beside each attack, over its figures without. */
export const fairness: Scenario = {
  name: "fairness",
  title: "a quiet project's callbacks and requests while another project or a stranger attacks",
  async run({ mode, step }) {
    await using upstream: WorkerProcess<UpstreamCommands> =
      await WorkerProcess.start("upstream.ts");
    await using attackersUpstream: WorkerProcess<UpstreamCommands> =
      await WorkerProcess.start("upstream.ts");
    await using receiver: WorkerProcess<ReceiverCommands> =
      await WorkerProcess.start("receiver.ts");
    await using attackersReceiver: WorkerProcess<ReceiverCommands> =
      await WorkerProcess.start("receiver.ts");
    await using silentReceiver: WorkerProcess<ReceiverCommands> =
      await WorkerProcess.start("receiver.ts");
    await using client: WorkerProcess<AttackerCommands> = await WorkerProcess.start("attacker.ts");
    const settings = { RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64") };
    await using gateway = await BenchGateway.start(settings);
    const apiKey = await createProject(gateway, settings);
    const scene: Scene = {
      mode,
      gateway,
      attacker: {
        apiKey,
        connection: await gateway.connect(
          "attacker",
          await attackersUpstream.ask("listen", undefined),
          {},
          apiKey,
        ),
      },
      upstream: attackersUpstream,
      receiver: await firstOrigin(attackersReceiver),
      silent: await firstOrigin(silentReceiver),
      client,
    };
    await silentReceiver.ask("hold", undefined);

    const quiet = await gateway.connect("quiet", await upstream.ask("listen", undefined), {
      poll_interval_s: POLL_INTERVAL_S,
    });
    const quietOrigin = await firstOrigin(receiver);
    await receiver.ask("timeLags", undefined);
    await upstream.ask("completeAtRate", { perSecond: ENDINGS_PER_SECOND });
    const jobsEach = (ENDINGS_PER_SECOND * (SETTLE_MS + MEASURE_MS[mode])) / 1000 + SPARE_JOBS;
    let jobs = 0;
    const measureBeside = async (attack: Attack | null): Promise<QuietFigures> => {
      step(attack === null ? "quiet" : `beside ${attack.name}`);
      const wishes = Array.from({ length: jobsEach }, () => ({
        job_id: `bench-${(jobs += 1)}`,
        callback_url: `${quietOrigin}/hooks`,
      }));
      await gateway.subscribe(quiet, wishes);
      await attack?.begin(scene);
      await wait(SETTLE_MS);
      await receiver.ask("timeLags", undefined);
      const requests = await timeRequests(gateway, quiet, quietOrigin, MEASURE_MS[mode]);
      const lagsMs = await receiver.ask("lagsMs", undefined);
      await attack?.end?.(scene);
      return {
        lagMs: quantile(lagsMs, 0.99),
        subscribeMs: quantile(requests.subscribeMs, 0.99),
        healthMs: quantile(requests.healthMs, 0.99),
      };
    };
    const without = await measureBeside(null);
    const figures = [
      figure("quiet_lag_p99", without.lagMs, "ms"),
      figure("quiet_subscribe_p99", without.subscribeMs, "ms"),
      figure("quiet_healthz_p99", without.healthMs, "ms"),
    ];
    for (const attack of ATTACKS) {
      figures.push(...figuresOf(attack.name, await measureBeside(attack), without));
    }
    return figures;
  },
};

interface QuietFigures {
  readonly lagMs: number;
  readonly subscribeMs: number;
  readonly healthMs: number;
}

function figuresOf(name: string, beside: QuietFigures, without: QuietFigures): Figure[] {
  return [
    figure(`${name}_lag_p99`, beside.lagMs, "ms"),
    figure(
      `${name}_lag_ratio`,
      beside.lagMs / Math.max(QUIET_P99_MS_MIN, without.lagMs),
      "ratio",
      atMost(RATIO_MAX),
    ),
    figure(`${name}_subscribe_p99`, beside.subscribeMs, "ms"),
    figure(`${name}_healthz_p99`, beside.healthMs, "ms"),
  ];
}

/** What the operator does to make a project. @returns its first API key */
async function createProject(
  gateway: BenchGateway,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const { url } = await gateway.postgres();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MAIN, "project", "create", "attacker"],
    { env: { ...process.env, ...settings, DATABASE_URL: url } },
  );
  const [key] = /rb_\S+/.exec(stdout) ?? [];
  if (key === undefined) throw new Error(`No API key was printed: ${stdout}`);
  return key;
}

async function firstOrigin(receiver: WorkerProcess<ReceiverCommands>): Promise<string> {
  const [origin = ""] = await receiver.ask("listen", { origins: 1 });
  return origin;
}

/** Subscribes and asks for the health at a steady pace, whatever the answers take. */
async function timeRequests(
  gateway: BenchGateway,
  connection: BenchConnection,
  origin: string,
  forMs: number,
): Promise<{ readonly subscribeMs: number[]; readonly healthMs: number[] }> {
  const subscribeMs: number[] = [];
  const healthMs: number[] = [];
  const time = async (into: number[], act: () => Promise<unknown>): Promise<void> => {
    const startedAt = performance.now();
    await act();
    into.push(performance.now() - startedAt);
  };
  const open: Promise<void>[] = [];
  const endsAt = performance.now() + forMs;
  while (performance.now() < endsAt) {
    const wish = { job_id: `timed-${randomUUID()}`, callback_url: `${origin}/hooks` };
    open.push(
      time(subscribeMs, () => gateway.subscribe(connection, [wish])),
      time(healthMs, async () => (await fetch(`${gateway.url}/healthz`)).text()),
    );
    await wait(REQUEST_INTERVAL_MS);
  }
  await Promise.all(open);
  return { subscribeMs, healthMs };
}
