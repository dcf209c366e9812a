import { afterAll, beforeAll, expect, test } from "vitest";
import { startCluster, type TortureCluster } from "./cluster.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { openTortureWorld, type TortureWorld } from "./torture-world.ts";

/*
 * The short form of the torture suite, which `npm run torture` runs whole: some seconds of the faults
 * that ended processes before.
 */

const FOR_MS = 4_000;
const SHORT = [
  "database connections cut during statements",
  "backends terminated",
  "kill -9 of a node every 2 s",
];

let world: TortureWorld<TortureCluster>;

beforeAll(async () => {
  world = await openTortureWorld(await startCluster(), { seed: 1, nodes: 2, perSecond: 10 });
}, 120_000);

afterAll(() => world.close());

test.each(SHORT)(
  "everything accepted is heard once, right and under one id, and no node dies by itself: %s",
  async (name) => {
    const fault = FAULTS.find((one): one is Fault => one.name === name);
    if (fault === undefined) throw new Error(`There is no fault "${name}".`);
    const outcome = await world.suffer(fault, FOR_MS);
    expect(outcome.accepted).toBeGreaterThan(0);
    expect(outcome).toMatchObject({
      heard: outcome.accepted,
      lost: 0,
      secondIds: 0,
      falseEndings: 0,
      unverified: 0,
      deaths: [],
    });
    expect(await world.breaches()).toEqual([]);
  },
  300_000,
);
