import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/store/db/database.ts";
import {
  claimProbe,
  loadConnections,
  pauseConnection,
  resumeConnection,
} from "../../src/store/connections/load-connections.ts";
import {
  changeConnection,
  createConnection,
} from "../../src/store/connections/manage-connections.ts";
import { openTestDatabase } from "../support/database.ts";
import { PROJECT_ID, uuids } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});

afterAll(() => drop());

async function connect() {
  const id = uuids(Date.now(), 0);
  await createConnection(database, {
    id,
    projectId: PROJECT_ID,
    provider: "pulse",
    name: id,
    baseUrl: null,
    credential: null,
    agreedHosts: null,
    settings: {},
  });
  const connection = { id, credentialVersion: 1 };
  return {
    connection,
    look: async () => (await loadConnections(database, 0)).find((one) => one.id === id),
    /** Lets the time of the next probe come. */
    wait: () =>
      database.run("test", (sql) => sql`update connections set probe_at = now() where id = ${id}`),
  };
}

test("one of several nodes gets each probe, and the waits between them grow to 15 minutes", async () => {
  const { connection, look, wait } = await connect();
  await pauseConnection(database, connection, "HTTP 403");
  expect(await claimProbe(database, connection)).toBe(false);
  const waitsS: number[] = [];
  for (let probe = 0; probe < 8; probe += 1) {
    await wait();
    const before = Date.now();
    const claims = await Promise.all([1, 2, 3].map(() => claimProbe(database, connection)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    waitsS.push(Math.round(((await look())?.probeAtMs ?? 0) - before) / 1000);
  }
  const expected = [30, 60, 120, 240, 480, 900, 900, 900];
  for (const [index, waitS] of waitsS.entries()) {
    expect(Math.abs(waitS - (expected[index] ?? 0))).toBeLessThan(30);
  }
});

test("a probe that was answered lifts the pause, unless a newer credential has come", async () => {
  const { connection, look } = await connect();
  await pauseConnection(database, connection, "HTTP 403");
  await resumeConnection(database, { ...connection, credentialVersion: 2 });
  expect(await look()).toMatchObject({ state: "paused", pausedReason: "HTTP 403" });
  await resumeConnection(database, connection);
  expect(await look()).toMatchObject({ state: "active", pausedReason: null, probeAtMs: null });
});

test("a pause by hand is neither probed nor lifted by one", async () => {
  const { connection, look } = await connect();
  const key = { projectId: PROJECT_ID, id: connection.id };
  await pauseConnection(database, connection, "HTTP 403");
  await changeConnection(database, key, { state: "paused" }, "by hand");
  expect(await look()).toMatchObject({ state: "paused", probeAtMs: null });
  expect(await claimProbe(database, connection)).toBe(false);
  await resumeConnection(database, connection);
  expect(await look()).toMatchObject({ state: "paused" });
});
