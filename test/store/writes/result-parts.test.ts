import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesOfResult, type RawResult } from "../../../src/core/json/raw-result.ts";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import { findEvent, findEventResult } from "../../../src/store/events/find-events.ts";
import { loadDeliveries } from "../../../src/store/deliveries/load-deliveries.ts";
import { findTextPart } from "../../../src/store/writes/result-parts.ts";
import { openWriters } from "../../support/writers.ts";
import { openTestDatabase } from "../../support/database.ts";
import { acceptRow, completedRow, PROJECT_ID } from "../../support/rows.ts";

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

/** A job that completed with this result, recorded as the engine does. */
async function complete(jobId: string, result: RawResult, inlineResultBytesMax = 262_144) {
  const { database } = opened;
  const writers = openWriters(database, { inlineResultBytesMax });
  const [accepted] = await acceptSubscriptions(database, [acceptRow(jobId)]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  const row = completedRow(accepted.subscription, {
    result,
    resultBytes: bytesOfResult(result),
  });
  const recorded = writers.recordEvent(row);
  // Stopping is no reason to lose an ending whose result is on its way.
  await writers.stop();
  return { row, owed: (await recorded).owed };
}

const LARGE = `{"n": 1.0, "text": "${"aé€😀".repeat(300_000)}"}`;

test("a large result is kept apart from its event, in parts that are the whole", async () => {
  const { row } = await complete("large", LARGE);
  const key = { projectId: PROJECT_ID, id: row.eventId };
  expect(await findEventResult(opened.database, key)).toEqual({
    shardId: row.shardId,
    eventId: row.eventId,
    projectId: PROJECT_ID,
    text: null,
    bytes: Buffer.byteLength(LARGE),
    fetch: null,
  });
  const parts: Buffer[] = [];
  for (;;) {
    const part = await findTextPart(opened.database, { ...row, number: parts.length + 1 });
    if (part === null) break;
    parts.push(part);
  }
  expect(parts.length).toBeGreaterThan(2);
  expect(Buffer.concat(parts).toString() === LARGE).toBe(true);
});

test("its bytes are given back once they are stored, unless callbacks may still carry them", async () => {
  const kept = Buffer.from("x".repeat(300_000));
  const released = new Uint8Array(kept);
  expect((await complete("released", released, 262_144)).row.result).toBe(released);
  expect(released).toHaveLength(0);
  const inline = new Uint8Array(kept);
  await complete("kept", inline, 1_000_000);
  expect(Buffer.from(inline).equals(kept)).toBe(true);
});

test("it goes inline where somebody allows that much", async () => {
  const { row, owed } = await complete("inline", LARGE);
  const [loaded] = await loadDeliveries(opened.database, owed, 10_000_000);
  expect(loaded?.event.result === LARGE).toBe(true);
  const [byReference] = await loadDeliveries(opened.database, owed, 1_000_000);
  expect(byReference).toMatchObject({ event: { result: null }, resultBytes: row.resultBytes });
  const key = { projectId: PROJECT_ID, id: row.eventId };
  const event = await findEvent(opened.database, key, 10_000_000);
  expect(event?.result === LARGE).toBe(true);
  expect(await findEvent(opened.database, key, 1000)).toMatchObject({
    result: null,
    hasResult: true,
  });
});

test("a small one stays with its event", async () => {
  const { row } = await complete("small", '{"n": 1.0}');
  expect(
    await findEventResult(opened.database, { projectId: null, id: row.eventId }),
  ).toMatchObject({ text: '{"n": 1.0}' });
  expect(await findTextPart(opened.database, { ...row, number: 1 })).toBeNull();
});
