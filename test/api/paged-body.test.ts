import { expect, test } from "vitest";
import { PagedBodies } from "../../src/api/paged-body.ts";
import { FakeClock } from "../support/fake-clock.ts";

const part = (number: number) => new Uint8Array([number]);

/** @param bytes a byte each part, unless some of them are gone */
function open(parts: number, bytes = parts, clock = new FakeClock()) {
  const bodies = new PagedBodies(clock);
  const reads: number[] = [];
  const reader = bodies
    .open(bytes, async (number) => {
      reads.push(number);
      return number > parts ? null : part(number);
    })
    .getReader();
  return { bodies, reads, reader, clock };
}

test("no part is read before the one in front of it was taken", async () => {
  const { reader, reads } = open(2);
  expect(reads).toEqual([]);
  expect(await reader.read()).toEqual({ done: false, value: part(1) });
  expect(reads).toEqual([1]);
  expect(await reader.read()).toEqual({ done: false, value: part(2) });
  expect(await reader.read()).toEqual({ done: true, value: undefined });
  expect(reads).toEqual([1, 2]);
});

test("a reader that takes nothing for half a minute is given up", async () => {
  const { reader, clock } = open(2);
  await reader.read();
  clock.advance(30_000);
  await expect(reader.read()).rejects.toThrow("takes nothing");
  expect(clock.timers).toBe(0);
});

test.each([
  [
    "read to the end",
    async ({ reader }: ReturnType<typeof open>) => {
      await reader.read();
      await reader.read();
    },
  ],
  ["left by its reader", async ({ reader }: ReturnType<typeof open>) => reader.cancel()],
  [
    "given up",
    async ({ reader, clock }: ReturnType<typeof open>) => {
      await reader.read();
      clock.advance(30_000);
    },
  ],
])("one that was %s makes room for another", async (_how, end) => {
  const opened = open(1);
  for (let count = 1; count < 200; count += 1) opened.bodies.open(1, async () => null);
  expect(opened.bodies.isFull).toBe(true);
  await end(opened);
  expect(opened.bodies.isFull).toBe(false);
});

test("a part that is gone breaks it off, since its reader was promised more", async () => {
  const { reader, bodies } = open(1, 2);
  await reader.read();
  await expect(reader.read()).rejects.toThrow("gone");
  for (let count = 0; count < 199; count += 1) bodies.open(1, async () => null);
  expect(bodies.isFull).toBe(false);
});

test("one without content needs no part", async () => {
  const { reader, reads } = open(0);
  expect(await reader.read()).toEqual({ done: true, value: undefined });
  expect(reads).toEqual([]);
});

test("a part that can't be read ends it", async () => {
  const bodies = new PagedBodies(new FakeClock());
  const reader = bodies.open(1, () => Promise.reject(new Error("away"))).getReader();
  await expect(reader.read()).rejects.toThrow("away");
  expect(bodies.isFull).toBe(false);
});
