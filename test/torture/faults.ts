import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { setTimeout as pause } from "node:timers/promises";
import { apiOf } from "../support/api-client.ts";
import { type FakeUpstream, pulseAnswer } from "../support/fake-upstream.ts";
import { CONNECTION } from "../support/process-scene.ts";
import type { Receiver } from "../support/receiver.ts";
import type { Answer } from "../support/scripted-server.ts";
import type { TortureCluster, TortureDatabase } from "./cluster.ts";
import type { EmbeddedDatabase, PooledCluster, ReplicatedCluster } from "./databases.ts";
import type { Nodes } from "./nodes.ts";

/** The parts that a fault may break. */
interface World<Database extends TortureDatabase = TortureCluster> {
  readonly cluster: Database;
  readonly nodes: Nodes;
  readonly upstream: FakeUpstream;
  readonly receiver: Receiver;
  readonly random: () => number;
}

export interface Fault<Database extends TortureDatabase = TortureCluster> {
  readonly name: string;
  /** Treats the world badly for about `forMs`; leaves what it ended to be started by the caller. */
  readonly run: (world: World<Database>, forMs: number) => Promise<void>;
}

const MEBIBYTE = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Longer than a lease, which is good for 12 s. */
const FROZEN_MS = 20_000;
/** As a URL: a blank in a path would end the option. */
const SHIFTED_DATE = new URL("../support/shifted-date.ts", import.meta.url).href;

export const FAULTS: readonly Fault[] = [
  {
    name: "kill -9 of a node every 2 s",
    // One that is ready, while another is: how long the jobs of the dead wait is told by the others.
    async run({ nodes, random }, forMs) {
      await repeat(forMs, 2_000, async () => {
        const ready = nodes.readyPlaces;
        const place = ready[Math.floor(random() * ready.length)];
        if (place === undefined || ready.length === 1) return;
        await nodes.crash(place);
        nodes.launch(place);
      });
    },
  },
  {
    name: "one node in a crash loop",
    async run({ nodes, random }, forMs) {
      await repeat(forMs, 0, async () => {
        await nodes.crash(0);
        nodes.launch(0);
        await pause(500 + random() * 4_000);
      });
    },
  },
  {
    name: "a node stopped (SIGSTOP) past its lease",
    async run({ nodes }) {
      nodes.freeze(1);
      await pause(FROZEN_MS);
      nodes.at(1)?.kill("SIGCONT");
    },
  },
  {
    name: "database connections cut during statements",
    async run({ cluster, random }, forMs) {
      await repeat(forMs, 20, () => {
        cluster.proxy.cutOne(random(), random() < 0.5 ? "fin" : "rst");
        return Promise.resolve();
      });
    },
  },
  {
    name: "half-open database connections",
    async run({ cluster }, forMs) {
      cluster.proxy.freeze();
      await pause(Math.min(forMs, 15_000));
      cluster.proxy.thaw();
      cluster.proxy.cut();
    },
  },
  {
    name: "backends terminated",
    async run({ cluster }, forMs) {
      await repeat(forMs, 100, () => cluster.terminateBackends(0.5));
    },
  },
  {
    name: "kill -9 of a backend every 8 s",
    async run({ cluster, random }, forMs) {
      await repeat(forMs, 8_000, async () => {
        const pids = await cluster.backends();
        const pid = pids[Math.floor(random() * pids.length)];
        if (pid !== undefined) await cluster.killBackend(pid);
      });
    },
  },
  {
    name: "kill -9 of the postmaster every 15 s",
    async run({ cluster }, forMs) {
      await repeat(forMs, 15_000, () => cluster.killPostmaster());
    },
  },
  {
    name: "clocks moved by an hour, one each way",
    async run({ nodes }, forMs) {
      for (const [place, shiftMs] of [-HOUR_MS, HOUR_MS].entries()) {
        await nodes.stop(place);
        await nodes.start(place, {
          NODE_OPTIONS: `--import ${SHIFTED_DATE}`,
          TEST_CLOCK_SHIFT_LATER_MS: String(shiftMs),
        });
        nodes.at(place)?.kill("SIGUSR2");
      }
      await pause(forMs);
      for (const place of [0, 1]) await nodes.stop(place);
    },
  },
  {
    name: "rolling restarts",
    async run({ nodes }, forMs) {
      let place = 0;
      await repeat(forMs, 500, async () => {
        const code = await nodes.stop(place);
        if (code !== 0) nodes.deaths.push(`a node that was stopped exited with ${code}`);
        await nodes.start(place);
        place = (place + 1) % nodes.count;
      });
    },
  },
];

/** Answers of an upstream that means harm, or has lost its mind. */
const HOSTILE_ANSWERS: readonly Answer[] = [
  "hang",
  "reset",
  { body: "[".repeat(12 * MEBIBYTE) },
  { body: `{"status":"completed","result":${"[".repeat(4 * MEBIBYTE)}` },
  { body: gzipSync(Buffer.alloc(64 * MEBIBYTE, "[")), headers: { "content-encoding": "gzip" } },
  { status: 429, headers: { "retry-after": "999999999999" } },
  { status: 302, headers: { location: "http://127.0.0.1:1/" } },
  { status: 500, body: "\u0000".repeat(1000) },
];
const HOSTILE_RECEIVERS: readonly Answer[] = ["hang", "reset", { status: 500 }, { status: 302 }];

/** Jobs beside the stream whose upstream and receivers do what they can to disturb it. */
export const HOSTILE_PEERS: Fault = {
  name: "hostile upstreams and receivers beside the stream",
  async run({ nodes, upstream, receiver, random }, forMs) {
    let number = 0;
    await repeat(forMs, 200, async () => {
      number += 1;
      const name = `hostile-${number}`;
      const [url = ""] = nodes.urls;
      upstream.answer(name, HOSTILE_ANSWERS[number % HOSTILE_ANSWERS.length] ?? "hang");
      receiver.answer(`/${name}`, HOSTILE_RECEIVERS[number % HOSTILE_RECEIVERS.length] ?? "hang");
      const body = { job_id: name, callback_url: receiver.url(`/${name}`), connection: CONNECTION };
      const answer = await apiOf(url)("POST", "/v1/subscriptions", body).catch(() => null);
      // Half of them complete soon, so that their receivers are met too.
      if (answer !== null && random() < 0.5) upstream.answer(name, pulseAnswer.completed());
    });
    for (let one = 1; one <= number; one += 1) {
      upstream.answer(`hostile-${one}`, pulseAnswer.completed());
      receiver.answer(`/hostile-${one}`, { status: 200 });
    }
  },
};

/**
 * Fills the file system that the database is on.
 * @param folder on that file system
 */
export function diskFull(folder: string): Fault {
  return {
    name: "no room on the database's disk",
    async run(_, forMs) {
      const filler = join(folder, "filler");
      const file = openSync(filler, "w");
      const chunk = Buffer.alloc(MEBIBYTE / 4, 1);
      const endsAt = performance.now() + Math.min(forMs, 30_000);
      while (performance.now() < endsAt) {
        try {
          for (;;) writeSync(file, chunk);
        } catch (error) {
          if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
        }
        await pause(500);
      }
      closeSync(file);
      rmSync(filler);
    },
  };
}

/** A node's machine is gone in the middle of a transaction, and nothing tells the pooler before it. */
export const LOST_BEHIND_POOLER: Fault<PooledCluster> = {
  name: "a node lost inside a transaction behind a pooler",
  async run({ cluster, nodes }, forMs) {
    await nodes.stop(0);
    await nodes.start(0, { DATABASE_URL: cluster.doomed.url });
    await cluster.doomed.loseWhoSends("update jobs as job set");
    await nodes.crash(0);
    await pause(forMs);
  },
};

/** The primary is out of reach from one moment to the next, with commits on their way. */
export const FAILOVER: Fault<ReplicatedCluster> = {
  name: "failover to a synchronous standby",
  async run({ cluster }, forMs) {
    await pause(forMs / 2);
    await cluster.failOver();
    await pause(forMs / 2);
  },
};

/** In turn the node alone and the node with its Postgres. */
export const EMBEDDED_KILLS: Fault<EmbeddedDatabase> = {
  name: "kill -9 of a node and its embedded Postgres",
  async run({ cluster, nodes }, forMs) {
    let number = 0;
    await repeat(forMs, 3_000, async () => {
      await nodes.crash(0);
      if (number % 2 === 1) await cluster.killPostmaster();
      await nodes.start(0);
      number += 1;
    });
  },
};

/** Does something again and again; the waits between are `everyMs`. */
async function repeat(forMs: number, everyMs: number, work: () => Promise<unknown>): Promise<void> {
  const endsAt = performance.now() + forMs;
  while (performance.now() < endsAt) {
    await work();
    await pause(everyMs);
  }
}

/** Makes a folder hold so much and no more; false where this process may not. */
export function mountSmall(folder: string, mebibytes: number): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}
