import { beforeEach, describe, expect, test } from "vitest";
import { type PagedBody, PagedBodies } from "../../../src/api/http/paged-body.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { TestLimits } from "../../support/project-limits.ts";

const OPEN_MAX = 200;
const PER_RESULT = 10;
const PER_PROJECT = 50;
const KIB = 1024;

let clock: FakeClock;
let limits: TestLimits;
let bodies: PagedBodies;

beforeEach(() => {
  clock = new FakeClock();
  limits = new TestLimits({ result_readers: PER_PROJECT });
  bodies = new PagedBodies(limits, clock);
});

const part = (number: number) => new Uint8Array([number]);

function admit(projectId = "p", eventId = "e"): PagedBody {
  const body = bodies.admit({ projectId, eventId });
  if (typeof body === "string") throw new Error(body);
  return body;
}

/** Each of another result. */
function admitMany(projectId: string, count: number): PagedBody[] {
  return Array.from({ length: count }, (_, index) => admit(projectId, `${projectId}-${index}`));
}

/** @param bytes a byte each part, unless some of them are gone */
function open(parts: number, bytes = parts) {
  const reads: number[] = [];
  const reader = admit()
    .open(bytes, async (number) => {
      reads.push(number);
      return number > parts ? null : part(number);
    })
    .getReader();
  return { reads, reader };
}

/** Places of the project that are taken. */
function used(projectId = "p"): number | null {
  return limits.used(projectId, "result_readers");
}

describe("one reader", () => {
  test("a reader of a result gets no part before the previous part was consumed", async () => {
    const { reader, reads } = open(2);
    expect(reads).toEqual([]);
    expect(await reader.read()).toEqual({ done: false, value: part(1) });
    expect(reads).toEqual([1]);
    expect(await reader.read()).toEqual({ done: false, value: part(2) });
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    expect(reads).toEqual([1, 2]);
  });

  test("a reader that consumes nothing for half a minute is disconnected", async () => {
    const { reader } = open(2);
    await reader.read();
    clock.advance(30_000);
    await expect(reader.read()).rejects.toThrow("is too slow");
    expect(clock.timers).toBe(0);
  });

  test("a reader that consumes a part now and then, but too little in all, is disconnected", async () => {
    const reader = admit()
      .open(100 * KIB * KIB, async () => new Uint8Array(100 * KIB))
      .getReader();
    let seconds = 0;
    const read = async (): Promise<void> => {
      for (; seconds < 10_000; seconds += 20) {
        await reader.read();
        clock.advance(20_000);
      }
    };
    await expect(read()).rejects.toThrow("is too slow");
    // 5 KiB a second in place of 16.
    expect(seconds).toBe(60);
  });

  test("a reader that consumes at the minimum rate is served to the end", async () => {
    const reader = admit()
      .open(100 * 100 * KIB, async () => new Uint8Array(100 * KIB))
      .getReader();
    for (let number = 0; number < 100; number += 1) {
      expect((await reader.read()).done).toBe(false);
      clock.advance(6_000);
    }
    expect((await reader.read()).done).toBe(true);
    expect(used()).toBe(0);
  });

  test("a reader that never starts frees its place", async () => {
    const body = admit();
    clock.advance(30_000);
    expect(used()).toBe(0);
    const late = body.open(1, async () => part(1)).getReader();
    await expect(late.read()).rejects.toThrow("is too slow");
  });
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
    async ({ reader }: ReturnType<typeof open>) => {
      await reader.read();
      clock.advance(30_000);
    },
  ],
])("one that was %s makes room for another", async (_how, end) => {
  const opened = open(1);
  expect(used()).toBe(1);
  await end(opened);
  expect(used()).toBe(0);
});

describe("many readers", () => {
  test("readers of one result are limited; another result of the same project can still be read", () => {
    for (let reader = 0; reader < PER_RESULT; reader += 1) admit("attacker", "popular");
    expect(bodies.admit({ projectId: "attacker", eventId: "popular" })).toBe("result");
    admit("attacker", "other");
  });

  test("readers of one project are limited; another project's are admitted", () => {
    admitMany("attacker", PER_PROJECT);
    expect(bodies.admit({ projectId: "attacker", eventId: "more" })).toBe("project");
    expect(admitMany("neighbor", PER_PROJECT)).toHaveLength(PER_PROJECT);
  });

  test("readers that hold every place give some of them up to a project that has few", async () => {
    limits.own.set("attacker", { result_readers: OPEN_MAX });
    const [oldest] = admitMany("attacker", OPEN_MAX);
    const reader = oldest?.open(9, async (number) => part(number)).getReader();
    expect(admitMany("neighbor", PER_PROJECT)).toHaveLength(PER_PROJECT);
    expect(used("attacker")).toBe(OPEN_MAX - PER_PROJECT);
    await expect(reader?.read()).rejects.toThrow("Other projects wait");
    expect(bodies.admit({ projectId: "attacker", eventId: "more" })).toBe("all");
  });
});

test("a part that is gone breaks it off, since its reader was promised more", async () => {
  const { reader } = open(1, 2);
  await reader.read();
  await expect(reader.read()).rejects.toThrow("gone");
  expect(used()).toBe(0);
});

test("one without content needs no part", async () => {
  const { reader, reads } = open(0);
  expect(await reader.read()).toEqual({ done: true, value: undefined });
  expect(reads).toEqual([]);
});

test("a part that can't be read ends it", async () => {
  const reader = admit()
    .open(1, () => Promise.reject(new Error("away")))
    .getReader();
  await expect(reader.read()).rejects.toThrow("away");
  expect(used()).toBe(0);
});
