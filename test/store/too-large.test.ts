import { afterAll, beforeAll, expect, test } from "vitest";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import {
  LOADED_BYTES_MAX,
  loadDeliveries,
  loadDeliveriesOfOrigin,
} from "../../src/store/deliveries/load-deliveries.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { redeliver } from "../../src/store/deliveries/redeliver.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID } from "../support/rows.ts";
import { openWriters } from "../support/writers.ts";

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

const BYTES_MAX = 262_144;

test("a retry after a 413 is read without the result, until it is redelivered by hand", async () => {
  const { database } = opened;
  const [accepted] = await acceptSubscriptions(database, [acceptRow("job-1")]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  const writers = openWriters(database, { inlineResultBytesMax: BYTES_MAX });
  const recorded = writers.recordEvent(completedRow(accepted.subscription));
  await writers.stop();
  const { owed } = await recorded;
  const [delivery] = owed;
  if (delivery === undefined) throw new Error("nothing is owed");
  const load = async () => (await loadDeliveries(database, owed, BYTES_MAX))[0];
  const attempt = (attemptCount: number, httpStatus: number) =>
    recordAttempts(database, [
      attemptRow(delivery, {
        attemptCount,
        httpStatus,
        errorCode: "client_error_answer",
        status: "pending",
        nextAttemptAtMs: Date.now(),
      }),
    ]);
  const whole = { wasTooLarge: false, event: { result: '{"answer":42}' } };

  expect(await load()).toMatchObject(whole);
  await attempt(0, 400);
  expect(await load()).toMatchObject(whole);
  await attempt(1, 413);
  await attempt(2, 500);
  const thin = { wasTooLarge: true, event: { result: null }, resultBytes: 13 };
  expect(await load()).toMatchObject(thin);
  const query = {
    projectId: PROJECT_ID,
    callbackOrigin: delivery.callbackOrigin,
    shardIds: [delivery.shardId],
    dueByMs: Date.now() + 60_000,
    after: { nextAttemptAtMs: 0, id: "00000000-0000-0000-0000-000000000000" },
    isFew: false,
    inlineResultBytesMax: BYTES_MAX,
  };
  expect(await loadDeliveriesOfOrigin(database, query)).toMatchObject([thin]);

  await redeliver(database, { projectId: PROJECT_ID, id: delivery.id, nowMs: Date.now() });
  expect(await load()).toMatchObject(whole);
});

test("one read holds a bounded number of bytes of results, and names the deliveries that it left out", async () => {
  const { database } = opened;
  const result = JSON.stringify("x".repeat(200_000));
  const accepted = await acceptSubscriptions(
    database,
    Array.from({ length: 100 }, () => acceptRow("large")),
  );
  const [first] = accepted;
  if (first?.kind !== "accepted") throw new Error("not accepted");
  const writers = openWriters(database, { inlineResultBytesMax: BYTES_MAX });
  const recorded = writers.recordEvent(
    completedRow(first.subscription, { result, resultBytes: result.length }),
  );
  await writers.stop();
  const { owed } = await recorded;
  const query = {
    projectId: PROJECT_ID,
    callbackOrigin: owed[0]?.callbackOrigin ?? "",
    shardIds: [first.subscription.shardId],
    dueByMs: Date.now() + 60_000,
    after: { nextAttemptAtMs: 0, id: "00000000-0000-0000-0000-000000000000" },
    isFew: false,
    inlineResultBytesMax: BYTES_MAX,
  };
  const byId = await loadDeliveries(database, owed, BYTES_MAX);
  for (const rows of [byId, await loadDeliveriesOfOrigin(database, query)]) {
    expect(rows).toHaveLength(100);
    const read = rows.filter(({ isLeftOut }) => !isLeftOut);
    expect(read).toHaveLength(Math.ceil(LOADED_BYTES_MAX / result.length));
    expect(read.every(({ event }) => event.result === result)).toBe(true);
    const leftOut = rows.slice(read.length);
    expect(leftOut.every((row) => row.isLeftOut && row.event.result === null)).toBe(true);
  }
});
