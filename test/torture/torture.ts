import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskFull, FAULTS, type Fault, HOSTILE_PEERS, mountSmall } from "./faults.ts";
import { openTortureWorld, type TortureWorld } from "./torture-world.ts";

/*
 * Every fault that real use or fault injection has shown, one after the other, against three real
 * gateways with a stream of subscriptions: `npm run torture`. TORTURE_MINUTES (15) is about how long
 * it takes, TORTURE_SEED what it draws its numbers from. It prints what became of the stream.
 */

const SEED = Number(process.env["TORTURE_SEED"] ?? 1);
const MINUTES = Number(process.env["TORTURE_MINUTES"] ?? 15);
const PER_SECOND = 10;
/** After its fault a stream takes about as long again until all is heard. */
const FAULT_MS = (MINUTES * 60_000) / (FAULTS.length + 2) / 2;
const SMALL_DISK_MIB = 512;
const TIMEOUT_MS = 600_000;

const rows: Record<string, number | string>[] = [];

afterAll(() => {
  process.stdout.write(`seed ${SEED}\n`);
  // oxlint-disable-next-line no-console -- the table is what the run is for
  console.table(rows);
});

async function expectAllHeard(world: TortureWorld, fault: Fault): Promise<void> {
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

let world: TortureWorld;

beforeAll(async () => {
  world = await openTortureWorld({ seed: SEED, nodes: 3, perSecond: PER_SECOND });
}, TIMEOUT_MS);

afterAll(() => world.close());

test.each([...FAULTS, HOSTILE_PEERS].map((fault) => [fault.name, fault] as const))(
  "everything accepted is heard once, right and under one id: %s",
  (_, fault) => expectAllHeard(world, fault),
  TIMEOUT_MS,
);

test(
  "everything accepted is heard once, right and under one id: no room on the database's disk",
  async ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), "ringback-small-disk-"));
    if (!mountSmall(folder, SMALL_DISK_MIB)) skip("needs the right to mount a file system");
    try {
      const small = await openTortureWorld({
        seed: SEED,
        nodes: 2,
        perSecond: PER_SECOND,
        parent: folder,
      });
      try {
        await expectAllHeard(small, diskFull(folder));
      } finally {
        await small.close();
      }
    } finally {
      execFileSync("umount", ["--lazy", folder]);
      rmSync(folder, { recursive: true });
    }
  },
  TIMEOUT_MS,
);
