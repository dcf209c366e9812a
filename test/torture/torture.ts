import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCluster, type TortureCluster, type TortureDatabase } from "./cluster.ts";
import { embeddedDatabase, startPooledCluster, startReplicatedCluster } from "./databases.ts";
import {
  diskFull,
  EMBEDDED_KILLS,
  FAILOVER,
  FAULTS,
  type Fault,
  HOSTILE_PEERS,
  LOST_BEHIND_POOLER,
  mountSmall,
} from "./faults.ts";
import { openTortureWorld, type TortureWorld } from "./torture-world.ts";

/*
 * Every fault that real use or fault injection has shown, one after the other, against three real
 * gateways with a stream of subscriptions: `npm run torture`. TORTURE_MINUTES (15) is about how long
 * it takes, TORTURE_SEED what it draws its numbers from. It prints what became of the stream.
 */

const SEED = Number(process.env["TORTURE_SEED"] ?? 1);
const MINUTES = Number(process.env["TORTURE_MINUTES"] ?? 15);
const OPTIONS = { seed: SEED, nodes: 3, perSecond: 10 };
/** After its fault a stream takes about as long again until all is heard. */
const FAULT_MS = (MINUTES * 60_000) / (FAULTS.length + 5) / 2;
const SMALL_DISK_MIB = 512;
const TIMEOUT_MS = 600_000;

const rows: Record<string, number | string>[] = [];

afterAll(() => {
  process.stdout.write(`seed ${SEED}\n`);
  // oxlint-disable-next-line no-console -- the table is what the run is for
  console.table(rows);
});

async function expectAllHeard<Database extends TortureDatabase>(
  world: TortureWorld<Database>,
  fault: Fault<Database>,
): Promise<void> {
  const { deaths, ...tally } = await world.suffer(fault, FAULT_MS);
  rows.push({
    fault: fault.name,
    ...tally,
    slowestMs: Math.round(tally.slowestMs),
    longestUnpolledMs: Math.round(tally.longestUnpolledMs),
    deaths: deaths.length,
  });
  expect(tally.accepted).toBeGreaterThan(0);
  expect({ ...tally, deaths }).toMatchObject({
    heard: tally.accepted,
    lost: 0,
    secondIds: 0,
    falseEndings: 0,
    unverified: 0,
    deaths: [],
  });
  expect(await world.breaches()).toEqual([]);
}

/** In a world of its own, on a database that is closed afterwards. */
async function expectAllHeardOn<Database extends TortureDatabase>(
  database: Database,
  fault: Fault<Database>,
  nodes: number,
): Promise<void> {
  const own = await openTortureWorld(database, { ...OPTIONS, nodes });
  try {
    await expectAllHeard(own, fault);
  } finally {
    await own.close();
  }
}

// A run of other faults by name starts none of these gateways.
describe("three gateways on one Postgres", () => {
  let world: TortureWorld<TortureCluster>;

  beforeAll(async () => {
    world = await openTortureWorld(await startCluster(), OPTIONS);
  }, TIMEOUT_MS);

  afterAll(() => world.close());

  test.each([...FAULTS, HOSTILE_PEERS].map((fault) => [fault.name, fault] as const))(
    "everything accepted is heard once, right and under one id: %s",
    (_, fault) => expectAllHeard(world, fault),
    TIMEOUT_MS,
  );
});

test(
  "everything accepted is heard once, right and under one id: no room on the database's disk",
  async ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), "ringback-small-disk-"));
    if (!mountSmall(folder, SMALL_DISK_MIB)) skip("needs the right to mount a file system");
    try {
      await expectAllHeardOn(await startCluster(folder), diskFull(folder), 2);
    } finally {
      execFileSync("umount", ["--lazy", folder]);
      rmSync(folder, { recursive: true });
    }
  },
  TIMEOUT_MS,
);

test(
  `everything accepted is heard once, right and under one id: ${LOST_BEHIND_POOLER.name}`,
  async () => expectAllHeardOn(await startPooledCluster(), LOST_BEHIND_POOLER, 3),
  TIMEOUT_MS,
);

test(
  `everything accepted is heard once, right and under one id: ${FAILOVER.name}`,
  async () => expectAllHeardOn(await startReplicatedCluster(), FAILOVER, 2),
  TIMEOUT_MS,
);

test(
  `everything accepted is heard once, right and under one id: ${EMBEDDED_KILLS.name}`,
  () => expectAllHeardOn(embeddedDatabase(), EMBEDDED_KILLS, 1),
  TIMEOUT_MS,
);
