import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Slots } from "../../src/store/slots.ts";

async function isReady(slot: { ready: Promise<void> }): Promise<boolean> {
  let ready = false;
  void slot.ready.then(() => (ready = true));
  await nextTurn();
  return ready;
}

test("slots go out first come first served, and a slot given back twice counts once", async () => {
  const slots = new Slots(1);
  const [first, second, third] = [slots.take(), slots.take(), slots.take()];
  expect(await isReady(first)).toBe(true);
  expect(slots.waiting).toBe(2);
  first.release();
  first.release();
  expect(await isReady(second)).toBe(true);
  expect(await isReady(third)).toBe(false);
  second.release();
  expect(await isReady(third)).toBe(true);
});

test("who leaves the queue is passed over", async () => {
  const slots = new Slots(1);
  const [first, second, third] = [slots.take(), slots.take(), slots.take()];
  second.release();
  first.release();
  expect(await isReady(third)).toBe(true);
  expect(await isReady(second)).toBe(false);
  expect(slots.waiting).toBe(0);
  third.release();
  expect(await isReady(slots.take())).toBe(true);
});
