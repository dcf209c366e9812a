import { expect, test } from "vitest";
import { HeapAtRest, PassedBuffers } from "../../../src/runtime/process/heap.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testRuntime } from "../../support/runtime.ts";

const MIB = 2 ** 20;
const LOOK_MS = 5_000;

function scene() {
  const clock = new FakeClock();
  const state = { cpuMs: 0, totalBytes: 140 * MIB, usedBytes: 88 * MIB, shrunk: 0 };
  const heap = new HeapAtRest(testRuntime({ clock }), {
    cpuMs: () => state.cpuMs,
    heap: () => state,
    shrinkHeap() {
      state.shrunk += 1;
      state.totalBytes = 40 * MIB;
      state.usedBytes = 36 * MIB;
    },
  });
  return { clock, state, heap };
}

test("a process at rest gives back at once what its start took, and what a burst took after a minute", async () => {
  const { clock, state, heap } = scene();
  await heap.start();
  await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(1);
  await clock.advanceSettling(10 * LOOK_MS);
  expect(state.shrunk).toBe(1);
  state.totalBytes = 100 * MIB;
  state.cpuMs += LOOK_MS;
  await clock.advanceSettling(LOOK_MS);
  for (let look = 0; look < 11; look += 1) await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(1);
  await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(2);
  await heap.stop();
});

test("a process at work is not held up", async () => {
  const { clock, state, heap } = scene();
  await heap.start();
  state.cpuMs += LOOK_MS / 10;
  await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(0);
  await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(1);
  await heap.stop();
});

test("a heap that is large for what it holds is left alone", async () => {
  const { clock, state, heap } = scene();
  state.totalBytes = 600 * MIB;
  state.usedBytes = 500 * MIB;
  await heap.start();
  await clock.advanceSettling(LOOK_MS);
  expect(state.shrunk).toBe(0);
  await heap.stop();
});

test("buffers that were passed on are collected once 16 MiB of them have passed, and not for small ones each", () => {
  let collected = 0;
  const buffers = new PassedBuffers(() => (collected += 1));
  for (let part = 0; part < 255; part += 1) buffers.passed(MIB / 16);
  expect(collected).toBe(0);
  buffers.passed(MIB / 16);
  expect(collected).toBe(1);
  for (let part = 0; part < 3 * 256; part += 1) buffers.passed(MIB / 16);
  expect(collected).toBe(4);
});
